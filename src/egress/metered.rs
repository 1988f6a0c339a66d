//! Answers and streams whose bytes are counted as they pass: [`MeteredBody`], [`MeteredStream`].

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::budget::{Spending, StreamWay};

/// An answer, as far as its call may receive it.
pub(super) struct MeteredBody<B> {
    pub body: B,
    pub spending: Arc<Spending>,
}

/// One end of a stream, of which what is read counts.
pub(super) struct MeteredStream<S> {
    pub stream: S,
    /// Which way that goes which is read of it.
    pub way: StreamWay,
    pub spending: Arc<Spending>,
}

type BodyFailure = Box<dyn std::error::Error + Send + Sync>;

impl<B> Body for MeteredBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let counted = frame.map(|frame| {
            let frame = frame.map_err(Into::into)?;
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.spending.bytes(StreamWay::Received, bytes)?;
            Ok(frame)
        });
        Poll::Ready(counted)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MeteredStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let read = into.filled().len().saturating_sub(before);
        let counted = self.spending.bytes(self.way, read);
        Poll::Ready(counted.map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MeteredStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, duplex};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::egress::CallBudget;

    #[tokio::test]
    async fn a_stream_ends_once_too_much_has_come_down_it() {
        let ended = CancellationToken::new();
        let budget = CallBudget {
            received_bytes: 100,
            ..CallBudget::default()
        };
        let spending = Arc::new(Spending::new(budget, ended.clone()));
        let metered = |stream, way| MeteredStream {
            stream,
            way,
            spending: Arc::clone(&spending),
        };
        let ((mut tool, child), (upstream, mut server)) = (duplex(1024), duplex(1024));
        let (mut child, mut upstream) = (
            metered(child, StreamWay::Sent),
            metered(upstream, StreamWay::Received),
        );
        let carrying = tokio::spawn(async move {
            let _ = copy_bidirectional(&mut child, &mut upstream).await;
        });
        tool.write_all(&[0; 500]).await.unwrap();
        server.read_exact(&mut [0; 500]).await.unwrap();
        server.write_all(&[0; 100]).await.unwrap();
        tool.read_exact(&mut [0; 100]).await.unwrap();
        assert!(!ended.is_cancelled(), "it is as much as it may be");
        server.write_all(&[0]).await.unwrap();
        carrying.await.unwrap();
        assert!(ended.is_cancelled());
        assert_eq!(tool.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
