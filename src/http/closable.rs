//! A connection that this server can end while nobody asks it for anything: [`Closable`].
//!
//! It reads as ended once it is closed, which is what hyper waits for on an idle connection. May
//! not lose a byte that is there before.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A stream that ends when its token is cancelled.
#[derive(Debug)]
pub(super) struct Closable {
    stream: TcpStream,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Closable {
    pub(super) fn new(stream: TcpStream, close: CancellationToken) -> Self {
        Self {
            stream,
            closed: Box::pin(close.cancelled_owned()),
        }
    }
}

impl Closable {
    /// Nobody waits for a client that takes nothing once its connection is to end.
    fn still_open(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.closed.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::BrokenPipe.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Closable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            return Poll::Ready(read);
        }
        self.closed.as_mut().poll(context).map(Ok)
    }
}

impl AsyncWrite for Closable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.still_open(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.still_open(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_closed_stream_gives_what_came_and_then_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test is its own client")]
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let close = CancellationToken::new();
        let mut closable = Closable::new(stream, close.clone());
        client.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        closable.read_exact(&mut bytes).await.unwrap();
        let reading = tokio::spawn(async move {
            let read = closable.read(&mut [0; 8]).await.unwrap();
            let written = closable.write_all(b"bye").await.unwrap_err();
            (read, written.kind())
        });
        tokio::task::yield_now().await;
        close.cancel();
        let ended = (0, io::ErrorKind::BrokenPipe);
        assert_eq!(reading.await.unwrap(), ended);
    }
}
