//! The server's beginning and end: an address that is listened on, and then the model's thread and that of the connections.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use crate::door::Names;
use crate::error::{Error, Result};
use crate::shared::Shared;
use crate::{Answerer, Options, connection, desk};

/// A server that listens, and does not answer yet: who asks meanwhile waits.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Server {
    /// # Errors
    /// `Error::NoToken` beyond loopback without a token, `Error::Listen` for an address that is taken or not this machine's.
    pub fn bind(options: Options) -> Result<Self> {
        let address = options.address;
        if options.token.is_none() && !address.ip().is_loopback() {
            return Err(Error::NoToken { address });
        }
        let listening = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        Ok(Self {
            address: listener.local_addr().map_err(listening)?,
            listener,
            options,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is set; then what was begun is finished, as long as [`Limits::end`](crate::Limits::end) lets it. How many answers were
    /// given.
    ///
    /// # Errors
    /// `Error::Listen` where the system gives no means to go on.
    pub fn serve(self, answerer: &mut dyn Answerer, stop: &AtomicBool) -> Result<u64> {
        let Self {
            listener,
            address,
            options,
        } = self;
        let listening = |source| Error::Listen { address, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // They decode pictures.
            .max_blocking_threads(thread::available_parallelism().map_or(1, usize::from))
            .build()
            .map_err(listening)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listening)?
        };
        let names = Names {
            addresses: options.token.is_some(),
            others: options.names.clone(),
        };
        let (shared, jobs) = Shared::new(options, names)?;
        let shared = Arc::new(shared);
        thread::scope(|scope| {
            let serving = Arc::clone(&shared);
            scope.spawn(move || {
                runtime.block_on(connection::serve(listener, serving, stop));
                runtime.shutdown_background();
            });
            desk::work(answerer, &jobs, &shared, stop);
            // Whoever still waits learns that nobody will answer.
            drop(jobs);
        });
        Ok(shared.metrics.answers())
    }
}
