//! The least work of any durable pair: a primary that commits in groups to its own log and to a backup's, both with fdatasync,
//! over plain TCP, before each answer. No consensus, no elections, no state.
//!
//! A frame is a length (4 bytes, little-endian) and a payload; an acknowledgement its length.

use std::{
    fs::File,
    io::{Read, Write},
    net,
    path::Path,
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};

use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

const PAYLOAD_BYTES: usize = 256;
const QUEUE_MAX: usize = 4096;
const BATCH_MAX: usize = 1024;

fn persist(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

pub(crate) fn backup(address: &str, file: &Path) -> Result<(), Failure> {
    let listener = net::TcpListener::bind(address)?;
    let mut file = File::create(file)?;
    for socket in listener.incoming() {
        let mut socket = socket?;
        socket.set_nodelay(true)?;
        let mut head = [0; 4];
        while socket.read_exact(&mut head).is_ok() {
            let mut bytes = vec![0; u32::from_le_bytes(head) as usize];
            socket.read_exact(&mut bytes)?;
            persist(&mut file, &bytes)?;
            socket.write_all(&head)?;
        }
    }
    Ok(())
}

type Queued = (Vec<u8>, oneshot::Sender<()>);

pub(crate) async fn primary(address: &str, backup: &str, file: &Path) -> Result<(), Failure> {
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    let backup = net::TcpStream::connect(backup)?;
    backup.set_nodelay(true)?;
    let file = File::create(file)?;
    std::thread::spawn(move || commit(queued, backup, file));
    let listener = TcpListener::bind(address).await?;
    let mut clients = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        clients.spawn(serve(socket, queue.clone()));
    }
}

/// Writes each batch to both logs at the same time.
fn commit(mut queue: mpsc::Receiver<Queued>, mut backup: net::TcpStream, mut file: File) -> std::io::Result<()> {
    let (mut batch, mut waiting) = (Vec::new(), Vec::new());
    while let Some((bytes, waiter)) = queue.blocking_recv() {
        batch.extend(bytes);
        waiting.push(waiter);
        while waiting.len() < BATCH_MAX
            && let Ok((bytes, waiter)) = queue.try_recv()
        {
            batch.extend(bytes);
            waiting.push(waiter);
        }
        let mut frame = (batch.len() as u32).to_le_bytes().to_vec();
        frame.extend(&batch);
        backup.write_all(&frame)?;
        persist(&mut file, &batch)?;
        backup.read_exact(&mut [0; 4])?;
        batch.clear();
        for waiter in waiting.drain(..) {
            let _ = waiter.send(()); // the client hung up
        }
    }
    Ok(())
}

async fn serve(mut socket: TcpStream, queue: mpsc::Sender<Queued>) {
    while let Ok(length) = socket.read_u32_le().await {
        let mut bytes = vec![0; length as usize];
        if socket.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let (waiter, durable) = oneshot::channel();
        let queued = queue.send((bytes, waiter)).await.is_ok() && durable.await.is_ok();
        if !queued || socket.write_u32_le(length).await.is_err() {
            return;
        }
    }
}

pub(crate) async fn load(address: &str, load: &Load) -> Result<Line, Failure> {
    let mut sockets = Vec::new();
    for _ in 0..load.clients {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    let window = load.window();
    Ok(all(sockets.into_iter().map(|socket| one(socket, window))).await?.line(load))
}

async fn one(mut socket: TcpStream, window: Window) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    let mut frame = (PAYLOAD_BYTES as u32).to_le_bytes().to_vec();
    frame.extend([b'x'; PAYLOAD_BYTES]);
    while !window.over() {
        let since = Instant::now();
        socket.write_all(&frame).await?;
        let fine = socket.read_u32_le().await? as usize == PAYLOAD_BYTES;
        samples.took(&window, since, fine);
    }
    Ok(samples)
}
