//! Connections: how many, how long each may take to say something or to hear its answer, and their end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};

use crate::routes::handle;
use crate::shared::Shared;

/// How often the end is looked for while nobody comes.
const LOOK_UP: Duration = Duration::from_millis(50);
/// What a connection's head, and a piece of its body, is read into.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections beyond the limit that are told so at a time.
const TURNED_AWAY: usize = 64;
/// How long a client that is told to go has to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes in connections until `stop` is set, then ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: &AtomicBool) {
    let places = Arc::new(Semaphore::new(shared.options.limits.connections.max(1)));
    let door = Arc::new(Semaphore::new(TURNED_AWAY));
    while !stop.load(Ordering::Relaxed) {
        let stream = match timeout(LOOK_UP, listener.accept()).await {
            Err(_) => continue,
            Ok(Ok((stream, _))) => stream,
            Ok(Err(error)) => {
                tracing::debug!("a connection could not be taken in: {error}");
                // There may be no place for another open file.
                sleep(LOOK_UP).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let counted = Counted::new(&shared);
                    connected(stream, counted.0).await;
                    drop(counted);
                    drop(place);
                });
            }
            Err(_) => {
                shared.metrics.turn_away();
                if let Ok(place) = Arc::clone(&door).try_acquire_owned() {
                    tokio::spawn(async move {
                        dismiss(stream, "503 Service Unavailable", "too many connections").await;
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    shared.ending.send_replace(true);
    let end = Instant::now() + shared.options.limits.end;
    while shared.metrics.connections() > 0 && Instant::now() < end {
        sleep(LOOK_UP / 2).await;
    }
}

/// A connection as long as it is there, however it ends.
struct Counted<'a>(&'a Arc<Shared>);

impl<'a> Counted<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        shared.metrics.connect();
        Self(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics.disconnect();
    }
}

async fn connected(stream: TcpStream, shared: &Arc<Shared>) {
    // An answer is one piece.
    let _ = stream.set_nodelay(true);
    let limits = &shared.options.limits;
    let begun = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        has_read: false,
        write: limits.write,
        waits: None,
    };
    let service = service_fn(|request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let shared = Arc::clone(shared);
        async move { Ok::<_, Infallible>(handle(shared, request).await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut changes = shared.ending.subscribe();
    let mut ending = pin!(async move {
        // The sender is shared, and so there as long as this.
        let _ = changes.wait_for(|ending| *ending).await;
    });
    let mut told = false;
    let ended = poll_fn(|context| {
        if !told && ending.as_mut().poll(context).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        Pin::new(&mut connection).poll(context)
    });
    if let Err(error) = ended.await {
        tracing::debug!("a connection ended: {error}");
        let socket = connection.into_parts().io.into_inner();
        // One that waits between two requests has asked nothing that could be answered.
        if error.is_timeout() && socket.has_read && !begun.load(Ordering::Relaxed) {
            shared.metrics.request(408);
            let why = "the head of the request was not there in time";
            dismiss(socket.stream, "408 Request Timeout", why).await;
        }
    }
}

/// Says why a connection is closed, and gives the client the time to hear it.
async fn dismiss(mut stream: TcpStream, status: &str, why: &str) {
    let body = format!(
        "{{\"error\":{{\"message\":\"{why}\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}}}"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closed with something unread, it would be reset, and what was said may be lost.
        let mut rest = [0; 1 << 10];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(FAREWELL, said).await;
}

/// A connection that does not wait for ever for a client that takes nothing.
struct Socket {
    stream: TcpStream,
    /// Something came.
    has_read: bool,
    /// How long is waited.
    write: Duration,
    /// Since when it takes nothing.
    waits: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, into));
        self.has_read |= into.filled().len() > before;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.waits = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                let limit = self.write;
                let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(limit)));
                ready!(waits.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
