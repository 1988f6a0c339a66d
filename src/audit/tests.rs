//! The room as a whole: what it writes, to streams and files that fail, is a whole chain.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use super::*;

fn decision(id: &str) -> DecisionRecord<'_> {
    let who = Who {
        principal: "web",
        groups: &[],
        door: "rest",
        client: None,
    };
    DecisionRecord::new(id, who, crate::tool::Tool::KUBECTL, Effect::Allow)
}

fn end(id: &str) -> EndRecord<'_> {
    EndRecord {
        request_id: id,
        ..EndRecord::default()
    }
}

fn report(seal: Seal, files: &[&Path]) -> Report {
    let mut verifier = Verifier::new(seal, false);
    for file in files {
        verifier
            .read(
                &file.display().to_string(),
                fs::read(file).unwrap().as_slice(),
            )
            .unwrap();
    }
    verifier.finish(None, "the last")
}

/// What the records of a file are about.
fn events(file: &Path) -> Vec<String> {
    let event = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["event"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(event)
        .collect()
}

fn settings(folder: &Path, max_bytes: u64) -> FileSettings {
    FileSettings {
        path: folder.join("audit.jsonl"),
        max_bytes,
        keep: 3,
        fsync: false,
    }
}

/// The writer ends a moment after the last handle; the lock of its file goes with it.
async fn reopened(settings: FileSettings) -> Audit {
    for _ in 0..500 {
        match Audit::to_file(settings.clone(), Seal::default()) {
            Err(AuditError::Taken(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.unwrap(),
        }
    }
    panic!("the file stays locked");
}

/// A stream with room for so many bytes, or none that moves.
#[derive(Clone, Default)]
struct Pipe(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: Vec<u8>,
    room: usize,
    is_stalled: bool,
}

impl Pipe {
    fn with_room(room: usize) -> Self {
        let pipe = Self::default();
        pipe.change(|state| state.room = room);
        pipe
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        changed
    }

    fn report(&self) -> Report {
        let mut verifier = Verifier::new(Seal::default(), false);
        verifier
            .read("pipe", self.change(|state| state.text.clone()).as_slice())
            .unwrap();
        verifier.finish(None, "pipe")
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self
            .0
            .1
            .wait_while(self.0.0.lock().unwrap(), |state| state.is_stalled)
            .unwrap();
        let taken = bytes.len().min(state.room);
        state.room -= taken;
        state.text.extend_from_slice(&bytes[..taken]);
        if taken == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never came true");
}

#[tokio::test]
async fn a_stream_that_is_full_for_a_time_has_a_gap_and_no_break() {
    // Wherever in a line it is full.
    for room in [900, 901, 1000, 1100, 1200, 1300] {
        let pipe = Pipe::with_room(room);
        let audit = Audit::to_stream(pipe.clone(), Seal::default()).unwrap();
        audit.start(Vec::new()).await.unwrap();
        let _ = audit.allowed(decision("runs")).await.unwrap();
        let mut refused = 0;
        for _ in 0..8 {
            refused += u64::from(audit.allowed(decision("refused")).await.is_err());
        }
        assert!(refused > 3, "{refused}");
        audit.end(&end("runs")).await.unwrap_err();
        pipe.change(|state| state.room = 1 << 20);
        until("the end is written", || {
            pipe.change(|state| String::from_utf8_lossy(&state.text).contains(r#""event":"end""#))
        })
        .await;
        let _ = audit.allowed(decision("later")).await.unwrap();
        let report = pipe.report();
        assert_eq!(report.broken, [], "{room}");
        assert_eq!(report.unrecorded_calls, refused, "{room}");
        // The decisions that were written before it was full had no end in this test; the one that
        // came late is closed.
        let open: Vec<&str> = report
            .open
            .iter()
            .map(|open| open.request_id.as_str())
            .collect();
        assert!(
            !open.contains(&"runs") && open.contains(&"later"),
            "{room}: {open:?}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_stalls_costs_five_seconds_once_and_then_nothing() {
    let pipe = Pipe::with_room(1 << 20);
    let audit = Arc::new(Audit::to_stream(pipe.clone(), Seal::default()).unwrap());
    audit.start(Vec::new()).await.unwrap();
    pipe.change(|state| state.is_stalled = true);
    let waited = Arc::clone(&audit);
    let first = tokio::spawn(async move {
        waited
            .allowed(decision("a"))
            .await
            .map_err(|error| error.kind())
    });
    assert_eq!(first.await.unwrap().unwrap_err(), io::ErrorKind::TimedOut);
    let asked = Instant::now();
    assert_eq!(
        audit
            .allowed(decision("not even asked"))
            .await
            .unwrap_err()
            .kind(),
        io::ErrorKind::TimedOut
    );
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    pipe.change(|state| state.is_stalled = false);
    until("it goes on", || {
        pipe.change(|state| state.text.iter().filter(|byte| **byte == b'\n').count()) >= 3
    })
    .await;
    let _ = audit.allowed(decision("b")).await.unwrap();
    let report = pipe.report();
    let open: Vec<&str> = report
        .open
        .iter()
        .map(|open| open.request_id.as_str())
        .collect();
    assert_eq!(
        (report.broken.len(), report.unrecorded_calls, open),
        (0, 2, vec!["b"]),
        "the late one is not open"
    );
}

#[tokio::test]
async fn a_file_is_rotated_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 4000);
    for _ in 0..2 {
        let audit = reopened(settings.clone()).await;
        audit.start(Vec::new()).await.unwrap();
        for number in 0..24 {
            let id = number.to_string();
            let _ = audit.allowed(decision(&id)).await.unwrap();
            audit.end(&end(&id)).await.unwrap();
        }
        audit.stop().await.unwrap();
    }
    let files: Vec<_> = (1..=3)
        .rev()
        .map(|number| rotated(&settings.path, number))
        .chain([settings.path.clone()])
        .collect();
    let kept: Vec<&Path> = files
        .iter()
        .map(std::path::PathBuf::as_path)
        .filter(|path| path.exists())
        .collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(!rotated(&settings.path, 4).exists());
    let found = report(Seal::default(), &kept);
    assert_eq!((found.broken, found.open.len()), (Vec::new(), 0));
    assert!(found.first.unwrap() > 1, "the oldest is gone");
    assert_eq!(found.last.unwrap().event, "stop");
    for file in kept {
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(events(file)[0], "file");
    }
    // The newest one alone is whole as well.
    assert_eq!(report(Seal::default(), &[&settings.path]).broken, []);
}

#[tokio::test]
async fn what_a_crash_cut_is_repaired_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20);
    let audit = reopened(settings.clone()).await;
    audit.start(Vec::new()).await.unwrap();
    let _ = audit.allowed(decision("cut off")).await.unwrap();
    drop(audit);
    drop(reopened(settings.clone()).await); // it has ended
    let whole = fs::read(&settings.path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for left in [1, 7, 100, lines[1].len() - 1] {
        fs::write(&settings.path, [lines[0], &lines[1][..left]].concat()).unwrap();
        let audit = reopened(settings.clone()).await;
        audit.start(Vec::new()).await.unwrap();
        drop(audit);
        let found = report(Seal::default(), &[&settings.path]);
        assert_eq!(
            (found.broken, found.repaired_bytes),
            (Vec::new(), left as u64)
        );
        assert_eq!(events(&settings.path), ["start", "start"]);
    }
    // A power failure leaves zeros.
    fs::write(&settings.path, [lines[0], &[0; 300]].concat()).unwrap();
    reopened(settings.clone())
        .await
        .start(Vec::new())
        .await
        .unwrap();
    assert_eq!(
        report(Seal::default(), &[&settings.path]).repaired_bytes,
        300
    );
    // Between the renaming of a full file and the first record of the next one.
    fs::rename(&settings.path, rotated(&settings.path, 1)).unwrap();
    reopened(settings.clone())
        .await
        .start(Vec::new())
        .await
        .unwrap();
    assert_eq!(events(&settings.path), ["file", "start"]);
    assert_eq!(
        report(
            Seal::default(),
            &[&rotated(&settings.path, 1), &settings.path]
        )
        .broken,
        []
    );
}

#[tokio::test]
async fn a_file_that_is_not_this_chains_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20);
    for text in [
        "root:x:0:0\n",
        "hello",
        "{\"seq\":1}\n",
        &"x".repeat(400_000),
    ] {
        fs::write(&settings.path, text).unwrap();
        fs::set_permissions(&settings.path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            matches!(
                Audit::to_file(settings.clone(), Seal::default()),
                Err(AuditError::Strange(_))
            ),
            "{}",
            &text[..5]
        );
        assert_eq!(fs::read_to_string(&settings.path).unwrap(), text);
    }
    fs::remove_file(&settings.path).unwrap();
    let audit = reopened(settings.clone()).await;
    audit.start(Vec::new()).await.unwrap();
    assert!(
        matches!(
            Audit::to_file(settings.clone(), Seal::default()),
            Err(AuditError::Taken(_))
        ),
        "one writer"
    );
    drop(audit);
    drop(reopened(settings.clone()).await);
    assert!(matches!(
        Audit::to_file(settings.clone(), Seal::keyed(b"k")),
        Err(AuditError::Strange(_) | AuditError::Taken(_))
    ));
    fs::set_permissions(&settings.path, fs::Permissions::from_mode(0o622)).unwrap();
    until("the last one has ended", || {
        !matches!(
            Audit::to_file(settings.clone(), Seal::default()),
            Err(AuditError::Taken(_))
        )
    })
    .await;
    assert!(matches!(
        Audit::to_file(settings.clone(), Seal::default()),
        Err(AuditError::Exposed(_))
    ));
}

#[tokio::test]
async fn a_file_that_is_taken_away_or_cut_is_noticed_and_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20);
    let audit = reopened(settings.clone()).await;
    audit.start(Vec::new()).await.unwrap();
    let _ = audit.allowed(decision("a")).await.unwrap();
    let moved = folder.path().join("moved");
    fs::rename(&settings.path, &moved).unwrap();
    let _ = audit.allowed(decision("b")).await.unwrap();
    assert_eq!(events(&settings.path), ["file", "decision"]);
    assert_eq!(
        report(Seal::default(), &[&moved, &settings.path]).broken,
        [],
        "nothing was lost"
    );
    fs::remove_file(&settings.path).unwrap();
    let _ = audit.allowed(decision("c")).await.unwrap();
    assert_eq!(report(Seal::default(), &[&settings.path]).broken, []);
    assert!(matches!(
        report(Seal::default(), &[&moved, &settings.path]).broken[0].why,
        Broken::Missing { from: 3, to: 4 }
    ));
    // As `copytruncate` does it; without the copy, what it had is missing.
    let copy = folder.path().join("copy");
    fs::copy(&settings.path, &copy).unwrap();
    fs::write(&settings.path, "").unwrap();
    let _ = audit.allowed(decision("d")).await.unwrap();
    assert!(
        fs::read_to_string(&settings.path)
            .unwrap()
            .contains(r#""reason":"truncated""#)
    );
    assert_eq!(report(Seal::default(), &[&copy, &settings.path]).broken, []);
    assert!(matches!(
        report(Seal::default(), &[&settings.path]).broken[0].why,
        Broken::Headless { .. }
    ));
}

#[tokio::test]
async fn a_file_that_is_put_in_its_place_is_left_as_it_is_and_calls_are_refused_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20);
    let audit = reopened(settings.clone()).await;
    audit.start(Vec::new()).await.unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    fs::hard_link(&settings.path, &ours).unwrap();
    fs::write(&theirs, "theirs\n").unwrap();
    fs::rename(&theirs, &settings.path).unwrap();
    for id in ["a", "b"] {
        let refused = audit.allowed(decision(id)).await.unwrap_err();
        let told = format!(
            "another file is at {}, and nothing is written to it; move it away",
            settings.path.display()
        );
        assert_eq!(
            (refused.kind(), refused.to_string()),
            (io::ErrorKind::AlreadyExists, told)
        );
    }
    assert_eq!(fs::read_to_string(&settings.path).unwrap(), "theirs\n");
    fs::remove_file(&settings.path).unwrap();
    let _ = audit.allowed(decision("c")).await.unwrap();
    assert_eq!(events(&settings.path), ["file", "gap", "decision"]);
    let found = report(Seal::default(), &[&ours, &settings.path]);
    assert_eq!((found.broken, found.unrecorded_calls), (Vec::new(), 2));
}

#[tokio::test]
async fn a_file_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 1 << 20);
    fs::write(&settings.path, "").unwrap();
    assert_eq!(
        file::strange_owner(&fs::metadata(&settings.path).unwrap()),
        None
    );
    assert_eq!(
        file::strange_owner(&fs::metadata("/").unwrap()),
        None,
        "root's"
    );
    if !nix::unistd::geteuid().is_root() {
        println!("only root can give a file away: its refusal is not tried");
        return;
    }
    std::os::unix::fs::chown(&settings.path, Some(65_533), None).unwrap();
    let refused = Audit::to_file(settings.clone(), Seal::default())
        .err()
        .unwrap();
    assert!(
        matches!(
            refused,
            AuditError::Foreign {
                owner: 65_533,
                us: 0,
                ..
            }
        ),
        "{refused}"
    );
    assert!(
        refused.to_string().contains(
            "belongs to the user 65533, who is neither root nor the user of this server, 0"
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_made_refuses_calls_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let settings = settings(&inside, 1 << 20);
    let audit = reopened(settings.clone()).await;
    audit.start(Vec::new()).await.unwrap();
    let away = folder.path().join("away");
    fs::rename(&inside, &away).unwrap();
    audit.allowed(decision("refused")).await.unwrap_err();
    audit.end(&end("before")).await.unwrap_err();
    fs::create_dir(&inside).unwrap();
    until("it is there", || {
        settings.path.exists() && events(&settings.path).len() == 3
    })
    .await;
    let _ = audit.allowed(decision("later")).await.unwrap();
    assert_eq!(events(&settings.path), ["file", "gap", "end", "decision"]);
    let found = report(
        Seal::default(),
        &[&away.join("audit.jsonl"), &settings.path],
    );
    assert_eq!((found.broken, found.unrecorded_calls), (Vec::new(), 1));
}

#[tokio::test]
async fn a_record_that_fits_no_line_is_refused() {
    let pipe = Pipe::with_room(1 << 20);
    let audit = Audit::to_stream(pipe.clone(), Seal::default()).unwrap();
    let long = "x".repeat(300_000);
    assert_eq!(
        audit.allowed(decision(&long)).await.unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}
