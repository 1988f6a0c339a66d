//! Starts `kube-airlock`. No thread exists before [`cli::run`](kube_airlock::cli::run) has forked
//! the spawner, so there is no `#[tokio::main]` here.

use std::process::ExitCode;

fn main() -> ExitCode {
    kube_airlock::cli::run()
}
