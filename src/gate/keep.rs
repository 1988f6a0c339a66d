//! Keeps what an answer does not have of a call's output: [`whole`] while it is printed, [`keep`]
//! once it has ended.
//!
//! What is kept is what would have been shown: it comes from behind the sanitizer, as the answer
//! does. The answer says by which words the rest is to be had.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep_until;

use super::{
    journal::Stopped,
    outcome::{KeptWhole, Ran, request_id},
    part_request::COMMAND,
};
use crate::{
    identity::Caller,
    output::{Live, Whole},
    sandbox::give_back_freed_memory,
    store::{KeptOutput, KeptOutputs},
};

/// Begins to keep one stream of a caller's call; nothing where a listener takes it instead of the
/// answer, or where nothing is kept.
pub(super) fn whole(outputs: &KeptOutputs, principal: &str, live: Option<&Live>) -> Option<Whole> {
    let is_streamed = live.is_some_and(|live| live.replaces_answer);
    let is_kept = !is_streamed && !outputs.bounds().time.is_zero();
    is_kept.then(|| Whole::new(outputs.begin(principal)))
}

/// Keeps what the call has printed and its answer does not have, and says so in the answer.
pub(super) fn keep(
    outputs: &KeptOutputs,
    caller: &Caller,
    call: &str,
    mut ended: Result<Ran, Stopped>,
) -> Result<Ran, Stopped> {
    let ran = match &mut ended {
        Ok(ran) => Some(ran),
        Err(stopped) => stopped.ran.as_deref_mut(),
    };
    let Some(ran) = ran else { return ended };
    let from_line = match (&ran.stdout.left_out, &ran.stderr.left_out) {
        (Some(left_out), _) | (None, Some(left_out)) => left_out.from_line,
        (None, None) => return ended,
    };
    let whole = match (ran.stdout.whole.take(), ran.stderr.whole.take()) {
        (Some(stdout), Some(stderr)) => stdout.followed_by(stderr),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return ended,
    };
    if whole.text.is_empty() {
        return ended;
    }
    // Calls that run are listed, and without tokens all callers are one: they may not read each
    // other's output by that name.
    let id = match caller.is_anonymous() {
        true => request_id(),
        false => call.to_owned(),
    };
    let kept = KeptWhole {
        lines: whole.text.lines().count() as u64,
        bytes: whole.text.len() as u64,
        is_whole: !whole.is_cut,
        from_line,
        time: outputs.bounds().time,
        id: id.clone(),
    };
    let output = KeptOutput {
        request_id: call.to_owned(),
        text: Arc::new(whole.text),
        is_whole: !whole.is_cut,
    };
    if whole.room.keep(id, output) {
        ran.told.notes.push(note(&kept));
        ran.told.kept = Some(kept);
        tidy(outputs);
    }
    ended
}

/// Says how the rest is to be had.
fn note(kept: &KeptWhole) -> String {
    let what = match kept.is_whole {
        true => "all of it is kept".to_owned(),
        false => format!("its first {} lines are kept", kept.lines),
    };
    let (id, from) = (&kept.id, kept.from_line);
    let time = humantime::format_duration(Duration::from_secs(kept.time.as_secs()));
    format!("{what} for {time}: send `{COMMAND} {id} lines={from}-`, or with grep=TEXT")
}

/// Forgets outputs as their time comes, until none is left.
fn tidy(outputs: &KeptOutputs) {
    if !outputs.wants_tidying() {
        return;
    }
    let outputs = outputs.clone();
    tokio::spawn(async move {
        while let Some(due) = outputs.forget_expired() {
            sleep_until(due.into()).await;
        }
        let _ = tokio::task::spawn_blocking(give_back_freed_memory).await;
    });
}
