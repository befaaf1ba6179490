//! Many, slow and rude clients, and the end.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use spatial_reward_serve::Limits;

use crate::client::*;
use crate::model::*;

fn short() -> Limits {
    Limits {
        head: Duration::from_secs(1),
        body: Duration::from_millis(1200),
        write: Duration::from_secs(3),
        ..Limits::default()
    }
}

#[test]
fn questions_that_wait_are_asked_together_and_answered_apart() {
    // given a model that is at work
    let serving = serving_slowly(Limits::default());
    let mut first = ask(serving.address, &question("first"));
    until("the model is at work", || serving.batches() == [1]);
    // when six ask meanwhile
    let mut others: Vec<TcpStream> = (0..6)
        .map(|index| {
            let stream = ask(serving.address, &question(&format!("question {index}")));
            let asked = || figure(serving.address, "spatial_reward_questions_total");
            until("it waits", || asked() == f64::from(index + 2));
            stream
        })
        .collect();
    for _ in 0..3 {
        serving.go.send(()).unwrap();
    }
    // then each hears its own answer
    assert!(hear(&mut first).unwrap().body.contains("so: first"));
    for (index, other) in others.iter_mut().enumerate() {
        let heard = hear(other).unwrap();
        assert!(
            heard.body.contains(&format!("so: question {index}")),
            "{}",
            heard.body
        );
    }
    // and the model was asked as often as it had to be
    assert_eq!(serving.batches(), [1, 4, 2]);
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    // given a queue with two places, both taken
    let serving = serving_slowly(Limits {
        queue: 2,
        ..Limits::default()
    });
    let taken: Vec<TcpStream> = (0..2)
        .map(|_| ask(serving.address, &question("slow")))
        .collect();
    until("both wait", || {
        figure(serving.address, "spatial_reward_queue") == 2.0
    });
    // when a third comes
    let heard = asked(serving.address, &question("third"));
    // then it hears so at once
    assert_eq!(heard.status, 429);
    assert_eq!(heard.error()["type"], "rate_limit_error");
    let retry_after: u64 = heard.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after));
    // and is answered once there is a place
    for _ in 0..3 {
        serving.go.send(()).unwrap();
    }
    for mut stream in taken {
        assert_eq!(hear(&mut stream).unwrap().status, 200);
    }
    assert_eq!(asked(serving.address, &question("third")).status, 200);
}

#[test]
fn memory_that_others_have_is_waited_for() {
    // given memory for one picture, and one that has it
    let serving = serving_slowly(Limits {
        held_bytes: 1 << 20,
        ..Limits::default()
    });
    let large = |text: &str| about(&picture(250, 250), text);
    let mut first = ask(serving.address, &large("first"));
    until("it is asked", || serving.batches() == [1]);
    // when another comes, then it is told to come back
    let heard = asked(serving.address, &large("second"));
    assert_eq!(heard.status, 429, "{}", heard.body);
    assert!(heard.body.contains("memory"));
    // and there is room afterwards
    serving.go.send(()).unwrap();
    serving.go.send(()).unwrap();
    assert_eq!(hear(&mut first).unwrap().status, 200);
    assert_eq!(asked(serving.address, &large("second")).status, 200);
    assert_eq!(figure(serving.address, "spatial_reward_held_bytes"), 0.0);
}

#[test]
fn who_hangs_up_is_not_answered() {
    // given a model that is at work, and two that wait
    let serving = serving_slowly(Limits::default());
    let mut first = ask(serving.address, &question("first"));
    until("the model is at work", || serving.batches() == [1]);
    let gone = ask(serving.address, &question("gone"));
    let mut stays = ask(serving.address, &question("stays"));
    until("both wait", || {
        figure(serving.address, "spatial_reward_questions_total") == 3.0
    });
    // when one hangs up, and another in the middle of its request
    drop(gone);
    let mut cut = connect(serving.address);
    let whole = request(
        "POST",
        "/v1/chat/completions",
        &[],
        question("cut").to_string().as_bytes(),
    );
    cut.write_all(&whole[..whole.len() - 20]).unwrap();
    drop(cut);
    until("they are gone", || {
        figure(serving.address, "spatial_reward_connections") == 3.0
    });
    serving.go.send(()).unwrap();
    serving.go.send(()).unwrap();
    // then the model is asked what somebody waits for
    assert_eq!(hear(&mut first).unwrap().status, 200);
    assert_eq!(hear(&mut stays).unwrap().status, 200);
    assert_eq!(serving.questions(), ["first", "stays"]);
    assert_eq!(
        figure(serving.address, "spatial_reward_abandoned_total"),
        1.0
    );
    assert_eq!(figure(serving.address, "spatial_reward_held_bytes"), 0.0);
}

#[test]
fn who_is_slow_to_ask_is_told_so() {
    let serving = serving(short());
    // given half a head
    let mut head = connect(serving.address);
    head.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")
        .unwrap();
    assert_eq!(hear(&mut head).unwrap().status, 408);
    // half a body
    let whole = request(
        "POST",
        "/v1/chat/completions",
        &[],
        question("slow").to_string().as_bytes(),
    );
    let mut body = connect(serving.address);
    body.write_all(&whole[..whole.len() - 20]).unwrap();
    let heard = hear(&mut body).unwrap();
    assert_eq!(heard.status, 408);
    assert!(
        heard.error()["message"].as_str().unwrap().contains("1.2 s"),
        "{}",
        heard.body
    );
    // a body that nobody wants
    let mut unwanted = connect(serving.address);
    let wrong = request("POST", "/nowhere", &[], &[b' '; 5000]);
    unwanted.write_all(&wrong[..wrong.len() - 20]).unwrap();
    assert_eq!(hear(&mut unwanted).unwrap().status, 404);
    // and nothing at all, also after an answer
    let mut silent = connect(serving.address);
    assert!(hear(&mut silent).is_none());
    let mut kept = ask(serving.address, &question("one"));
    assert_eq!(hear(&mut kept).unwrap().status, 200);
    kept.write_all(&request("GET", "/health", &[], b""))
        .unwrap();
    assert_eq!(hear(&mut kept).unwrap().status, 200);
    assert!(hear(&mut kept).is_none());
    assert_eq!(serving.questions(), ["one"]);
}

#[test]
fn who_does_not_listen_holds_nobody_up() {
    // given clients that ask for long answers and take nothing of them
    let serving = serving(short());
    let deaf: Vec<TcpStream> = (0..3)
        .map(|_| ask(serving.address, &question("long")))
        .collect();
    until("they are answered", || {
        figure(serving.address, "spatial_reward_answers_total") == 3.0
    });
    // when another asks, then it is answered at once
    let begin = Instant::now();
    assert_eq!(asked(serving.address, &question("short")).status, 200);
    assert!(
        begin.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begin.elapsed()
    );
    // and the others are let go
    until("they are gone", || {
        figure(serving.address, "spatial_reward_connections") == 1.0
    });
    drop(deaf);
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    let serving = serving(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut held: Vec<TcpStream> = (0..2).map(|_| connect(serving.address)).collect();
    for stream in &mut held {
        stream
            .write_all(&request("GET", "/health", &[], b""))
            .unwrap();
        assert_eq!(hear(stream).unwrap().status, 200);
    }
    let heard = asked(serving.address, &question("third"));
    assert_eq!(heard.status, 503);
    assert!(
        heard.error()["message"]
            .as_str()
            .unwrap()
            .contains("connections")
    );
    held.pop();
    until("there is a place", || {
        asked(serving.address, &question("third")).status == 200
    });
}

#[test]
fn the_end_finishes_what_was_begun_and_nothing_else() {
    // given a question at the model, one that waits, and a connection that says nothing
    let serving = serving_slowly(Limits::default());
    let mut begun = ask(serving.address, &question("begun"));
    until("the model is at work", || serving.batches() == [1]);
    let mut waits = ask(serving.address, &question("waits"));
    until("both are in the queue", || {
        figure(serving.address, "spatial_reward_queue") == 2.0
    });
    let mut idle = connect(serving.address);
    // when the server is told to end
    let address = serving.address;
    serving.stop.store(true, Ordering::Relaxed);
    until("nobody is let in", || TcpStream::connect(address).is_err());
    serving.go.send(()).unwrap();
    // then what was begun is answered, and what waits hears that it is not
    assert_eq!(hear(&mut begun).unwrap().status, 200);
    let heard = hear(&mut waits).unwrap();
    assert_eq!(heard.status, 503);
    assert_eq!(heard.header("retry-after"), Some("1"));
    assert!(hear(&mut idle).is_none());
    let (answers, took) = serving.end();
    assert_eq!(answers, 1);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn the_end_waits_no_longer_than_it_may_for_a_client() {
    // given a client that never ends its request, and little patience
    let serving = serving(Limits {
        end: Duration::from_millis(300),
        ..Limits::default()
    });
    let mut slow = connect(serving.address);
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{").unwrap();
    until("it is there", || {
        figure(serving.address, "spatial_reward_connections") == 2.0
    });
    let (_, took) = serving.end();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn many_clients_with_many_questions_leave_nothing_behind() {
    let serving = serving(Limits {
        queue: 8,
        ..Limits::default()
    });
    let address = serving.address;
    thread::scope(|scope| {
        for client in 0..12 {
            scope.spawn(move || {
                let mut stream = connect(address);
                for turn in 0..40 {
                    let text = format!("{client} {turn}");
                    let body = with(question(&text), json!({"regions": [[1, 1, 40, 40]]}));
                    let said = request(
                        "POST",
                        "/v1/chat/completions",
                        &[],
                        body.to_string().as_bytes(),
                    );
                    loop {
                        stream.write_all(&said).unwrap();
                        let heard = hear(&mut stream).unwrap();
                        match heard.status {
                            429 => thread::sleep(Duration::from_millis(2)),
                            _ => {
                                assert!(heard.body.contains(&format!("so: {text}\"")));
                                break;
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(figure(address, "spatial_reward_answers_total"), 480.0);
    assert_eq!(figure(address, "spatial_reward_queue"), 0.0);
    assert_eq!(figure(address, "spatial_reward_held_bytes"), 0.0);
}
