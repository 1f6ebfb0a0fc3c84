//! Redis' SET, then WAIT 1 on the same connection. Called by `main`.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

const VALUE_BYTES: usize = 256;

pub(crate) async fn run(address: &str, load: &Load) -> Result<Line, Failure> {
    let mut sockets = Vec::new();
    for _ in 0..load.clients {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    let window = load.window();
    let loops = sockets.into_iter().enumerate().map(|(number, socket)| one(number, socket, window));
    Ok(all(loops).await?.line(load))
}

async fn one(number: usize, mut socket: TcpStream, window: Window) -> Result<Samples, Failure> {
    let (mut samples, mut answer) = (Samples::default(), Vec::with_capacity(64));
    let value = "x".repeat(VALUE_BYTES);
    for turn in 0_u64.. {
        if window.over() {
            break;
        }
        let key = format!("rec:{number:03}:{:05}", turn % 1000);
        let set = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${VALUE_BYTES}\r\n{value}\r\n", key.len());
        let both = set + "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n";
        let since = Instant::now();
        socket.write_all(both.as_bytes()).await?;
        answer.clear();
        while answer.iter().filter(|byte| **byte == b'\n').count() < 2 {
            if socket.read_buf(&mut answer).await? == 0 {
                return Err("Redis closed the connection".into());
            }
        }
        samples.took(&window, since, answer == b"+OK\r\n:1\r\n");
    }
    Ok(samples)
}
