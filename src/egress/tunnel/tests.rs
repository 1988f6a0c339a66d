use tokio::net::TcpListener;

use super::*;

async fn tunnel() -> (Arc<Tunnel>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (
        Tunnel::new(
            "k8s.example.com:6443".into(),
            vec![listener.local_addr().unwrap()],
            None,
            None,
        ),
        listener,
    )
}

/// What a child hears that says `words` and then closes its half.
async fn heard(tunnel: &Arc<Tunnel>, words: &[u8]) -> String {
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let tunnel = Arc::clone(tunnel);
    let serving = tokio::spawn(async move { tunnel.serve(theirs).await });
    let _ = ours.write_all(words).await;
    let _ = ours.shutdown().await;
    let mut heard = String::new();
    let _ = ours.read_to_string(&mut heard).await;
    serving.await.unwrap();
    heard
}

#[tokio::test]
async fn the_pinned_server_is_reached_by_its_name_in_any_case() {
    let (tunnel, listener) = tunnel().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        stream
            .write_all(format!("heard {heard}").as_bytes())
            .await
            .unwrap();
    });
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(async move { tunnel.serve(theirs).await });
    ours.write_all(b"CONNECT K8s.example.com:6443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answered = [0; 19];
    ours.read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200 OK\r\n\r\n");
    ours.write_all(b"hello").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut heard = String::new();
    ours.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "heard hello");
    serving.await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn every_other_server_is_refused_and_nothing_is_dialled() {
    let (tunnel, listener) = tunnel().await;
    let others = [
        "k8s.example.com:443",
        "k8s.example.com",
        "evil.example:6443",
        "169.254.169.254:80",
        "127.0.0.1:6443",
        "k8s.example.com.:6443",
    ];
    for other in others {
        let heard = heard(
            &tunnel,
            format!("CONNECT {other} HTTP/1.1\r\n\r\n").as_bytes(),
        )
        .await;
        assert!(heard.starts_with("HTTP/1.1 403 "), "{other}: {heard}");
    }
    assert_eq!(tunnel.refused(), others.len() as u32);
    assert!(
        timeout(Duration::from_millis(50), listener.accept())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_no_request_for_a_connection_is_closed() {
    let (tunnel, listener) = tunnel().await;
    let long = format!(
        "CONNECT k8s.example.com:6443 HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(LONGEST_REQUEST)
    );
    for words in [
        "",
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT k8s.example.com:6443\r\n\r\n",
        "CONNECT",
        "\u{5}\u{1}\u{2}",
        "\u{4}\u{1}",
        &long,
    ] {
        assert_eq!(
            heard(&tunnel, words.as_bytes()).await,
            "",
            "{}",
            Excerpt::new(words)
        );
    }
    assert!(
        timeout(Duration::from_millis(50), listener.accept())
            .await
            .is_err()
    );
}

/// A SOCKS request for a name.
fn socks_for(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [
        &[5, 1, 0, 5, 1, 0, 3, length],
        name.as_bytes(),
        &port.to_be_bytes(),
    ]
    .concat()
}

#[tokio::test]
async fn socks_reaches_the_pinned_server_and_no_other() {
    let (tunnel, listener) = tunnel().await;
    for (name, port) in [("k8s.example.com", 443), ("evil.example", 6443)] {
        assert_eq!(
            heard(&tunnel, &socks_for(name, port)).await.as_bytes(),
            [5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0],
            "{name}"
        );
    }
    assert_eq!(
        heard(&tunnel, &[5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80])
            .await
            .as_bytes(),
        [5, 0],
        "BIND"
    );
    assert_eq!(
        heard(&tunnel, &[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80])
            .await
            .as_bytes()[..4],
        [5, 0, 5, 2],
        "an address"
    );
    let server = tokio::spawn(async move {
        listener
            .accept()
            .await
            .unwrap()
            .0
            .write_all(b"hello")
            .await
            .unwrap()
    });
    let answered = heard(&tunnel, &socks_for("k8s.example.com", 6443)).await;
    assert_eq!(
        answered.as_bytes(),
        [&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"hello"].concat()
    );
    server.await.unwrap();
}

#[tokio::test]
async fn a_tls_greeting_goes_straight_to_the_pinned_server() {
    let (tunnel, listener) = tunnel().await;
    let server = tokio::spawn(async move {
        let mut heard = Vec::new();
        listener
            .accept()
            .await
            .unwrap()
            .0
            .read_to_end(&mut heard)
            .await
            .unwrap();
        heard
    });
    heard(&tunnel, &[0x16, 3, 1, 0, 2]).await;
    assert_eq!(server.await.unwrap(), [0x16, 3, 1, 0, 2]);
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_not_the_last() {
    let (_, closed) = tunnel().await;
    let dead = closed.local_addr().unwrap();
    drop(closed);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tunnel = Tunnel::new(
        "k8s.example.com:6443".into(),
        vec![dead, listener.local_addr().unwrap()],
        None,
        None,
    );
    let dialled = dial(&tunnel.addresses).await.unwrap();
    assert_eq!(dialled.peer_addr().unwrap(), listener.local_addr().unwrap());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_such() {
    let (tunnel, listener) = tunnel().await;
    drop(listener);
    let heard = heard(&tunnel, b"CONNECT k8s.example.com:6443 HTTP/1.1\r\n\r\n").await;
    assert_eq!(
        heard,
        "HTTP/1.1 502 k8s.example.com:6443 cannot be reached: connection refused\r\n\r\n"
    );
}

#[tokio::test]
async fn a_childs_share_of_bytes_ends() {
    let (tunnel, listener) = tunnel().await;
    tunnel.bytes_left.store(100_000, Ordering::Relaxed);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0_u32;
        while stream.write_all(&[b'x'; 1000]).await.is_ok() {
            sent += 1000;
        }
        sent
    });
    let heard = heard(&tunnel, b"CONNECT k8s.example.com:6443 HTTP/1.1\r\n\r\n").await;
    assert!(heard.len() <= 100_000 + 19, "{}", heard.len());
    server.await.unwrap();
}

#[tokio::test]
async fn a_direct_pin_has_the_bounds_of_the_tunnel() {
    use std::os::fd::AsFd as _;
    let (tunnel, listener) = tunnel().await;
    tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"hello").await;
            all.push(stream);
        }
    });
    let mut held = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let (of_child, carrying) = tunnel.connect().await.unwrap();
        held.push((of_child, tokio::spawn(carrying)));
    }
    let refused = tunnel.connect().await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
    let (of_child, carrying) = held.pop().unwrap();
    let mut child = TcpStream::from_std(of_child.into()).unwrap();
    let mut heard = [0; 5];
    child.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    drop(child);
    carrying.abort();
    let _ = carrying.await;
    // Its place is free again; and when all bytes are spent, nothing more is carried.
    tunnel.bytes_left.store(3, Ordering::Relaxed);
    let (of_child, carrying) = tunnel.connect().await.unwrap();
    let carrying = tokio::spawn(carrying);
    assert!(of_child.as_fd().try_clone_to_owned().is_ok());
    let mut child = TcpStream::from_std(of_child.into()).unwrap();
    let mut heard = Vec::new();
    let _ = child.read_to_end(&mut heard).await;
    assert!(heard.len() <= 3, "{heard:?}");
    carrying.await.unwrap();
}
