//! `kube-airlock doctor`: applies every layer on this host, tries to get out, and says what holds.

use std::{
    error::Error,
    io::{self, Write},
};

use clap::Args;
use serde::Serialize;

use crate::{
    config::{Options, Settings},
    sandbox::{
        AloneReport, Battery, Host, Layer, LayerState, LayerStatus, Level, Limits, ProbeReport,
        ProfileName, StatusSource, claim_users,
    },
    workspace::Workspaces,
};

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    options: Options,
    /// Print one JSON object: {"host":…,"layers":[…],"probes":[…]}
    #[arg(long)]
    json: bool,
    /// Also take each layer away in turn and show which probes it alone stops (takes about half a
    /// minute)
    #[arg(long)]
    alone: bool,
    /// Print every probe, not only those that found something else than they must
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct DoctorReport {
    host: Host,
    layers: Vec<LayerReport>,
    probes: Vec<ProbeReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alone: Vec<AloneReport>,
    ok: bool,
}

#[derive(Serialize)]
struct LayerReport {
    layer: Layer,
    level: Level,
    state: LayerState,
    source: StatusSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Doctor {
    /// Runs it. The process must have one thread: every probe is a fork.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let settings = Settings::load(self.options.clone())?;
        let is_root = nix::unistd::geteuid().is_root();
        let workspaces = Workspaces::create(settings.work_dir.as_deref(), None)?;
        let identity = if is_root {
            Some(claim_users(settings.sandbox.first_child_user, 1)?)
        } else {
            None
        };
        let limits = Limits {
            memory_bytes: settings.limits.bounds.memory_bytes,
            cpu_seconds: 30,
        };
        let battery = Battery::new(&workspaces, identity, limits)?;
        let mut probes = Vec::new();
        let mut broken = None;
        for profile in ProfileName::ALL {
            match battery.run(&settings.sandbox.levels, profile) {
                Ok(reports) => probes.extend(reports),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let layers = battery.layers(&settings.sandbox.levels);
        let layers: Vec<LayerReport> = layers
            .into_iter()
            .map(|status| layer_report(status, settings.sandbox.levels.of(status.layer)))
            .collect();
        let alone = if self.alone && broken.is_none() {
            battery.each_alone(ProfileName::Plain)?
        } else {
            Vec::new()
        };
        let idle = alone
            .iter()
            .filter(|report| report.stops.is_empty())
            .map(|report| report.layer.as_str())
            .collect::<Vec<_>>();
        let missing = layers
            .iter()
            .any(|report| report.level == Level::Require && report.state == LayerState::Missing);
        let ok =
            broken.is_none() && !missing && idle.is_empty() && probes.iter().all(|probe| probe.ok);
        let report = DoctorReport {
            host: Host::look(),
            layers,
            probes,
            alone,
            ok,
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
        } else {
            self.print(&mut out, &report)?;
        }
        match broken {
            Some(error) => {
                Err(format!("{error}\n  fix: see the layer above; [sandbox.layers] in the configuration accepts a host without it").into())
            }
            None if !idle.is_empty() => Err(format!("these layers stop nothing by themselves: {}", idle.join(", ")).into()),
            None if !ok => Err("this host does not confine children as it must".into()),
            None => Ok(()),
        }
    }

    fn print(&self, out: &mut impl Write, report: &DoctorReport) -> io::Result<()> {
        print_host(out, &report.host)?;
        writeln!(out)?;
        for layer in &report.layers {
            print_layer(out, layer)?;
        }
        writeln!(out)?;
        for probe in report.probes.iter().filter(|probe| self.all || !probe.ok) {
            print_probe(out, probe)?;
        }
        for alone in &report.alone {
            let shown: Vec<&str> = alone.stops.iter().take(3).map(String::as_str).collect();
            let (layer, stops) = (alone.layer.as_str(), alone.stops.len());
            writeln!(
                out,
                "alone {layer:<18} stops {stops:>3}: {}",
                shown.join("; ")
            )?;
        }
        let probes = report.probes.iter();
        let failed = probes.clone().filter(|probe| !probe.ok).count();
        let controls = probes.filter(|probe| probe.unconfined.is_some()).count();
        writeln!(
            out,
            "{} probes, {controls} of them with a control that succeeds unconfined, {failed} failed",
            report.probes.len()
        )
    }
}

fn print_host(out: &mut impl Write, host: &Host) -> io::Result<()> {
    let Host {
        kernel,
        landlock_abi,
        user,
        container,
        seccomp,
        no_new_privileges,
    } = host;
    let container = container.unwrap_or("none seen");
    writeln!(
        out,
        "kernel {kernel}, Landlock ABI {landlock_abi}, user {user}, container {container}"
    )?;
    let filter = match seccomp {
        2 => "under a seccomp filter",
        _ => "under no seccomp filter",
    };
    let privileges = match no_new_privileges {
        true => "set",
        false => "not set",
    };
    writeln!(out, "this process: {filter}, no_new_privs {privileges}")
}

fn print_layer(out: &mut impl Write, report: &LayerReport) -> io::Result<()> {
    let state = match report.state {
        LayerState::Enforced => "enforced",
        LayerState::Partial => "partial",
        LayerState::Missing => "missing",
        LayerState::NotApplicable => "not applicable",
        LayerState::Off => "off",
    };
    let state = match report.source {
        StatusSource::Reported => state.to_owned(),
        StatusSource::Expected => format!("{state} (expected)"),
    };
    let level = format!("{:?}", report.level).to_lowercase();
    let (layer, todo) = (report.layer.as_str(), report.todo.as_deref());
    writeln!(
        out,
        "{layer:<18} {state:<15} {level:<8} {}",
        todo.unwrap_or_default()
    )
}

fn print_probe(out: &mut impl Write, probe: &ProbeReport) -> io::Result<()> {
    let expected: Vec<String> = probe.expected.iter().map(|found| found.text()).collect();
    let control = probe.unconfined.map_or(String::new(), |found| {
        format!(", unconfined {}", found.text())
    });
    writeln!(
        out,
        "{} {:<8} {:<4} {:<10} {}: {} (expected {}{control})",
        if probe.ok { "ok  " } else { "FAIL" },
        probe.profile.as_str(),
        if probe.warm { "warm" } else { "cold" },
        probe.group,
        probe.probe,
        probe.found.text(),
        expected.join(" or "),
    )
}

/// A layer's state on this host, and what to do about it.
fn layer_report(status: LayerStatus, level: Level) -> LayerReport {
    let LayerStatus {
        layer,
        state,
        source,
    } = status;
    let todo = match (layer, state) {
        (Layer::User, LayerState::NotApplicable) => Some(
            "all children share this user; start the server as root with SETUID, SETGID, SETPCAP, KILL and CHOWN for one each",
        ),
        (Layer::LandlockFs, LayerState::Missing) => Some(
            "needs Linux 5.19 with CONFIG_SECURITY_LANDLOCK and landlock in lsm=; gVisor has none",
        ),
        (Layer::LandlockFs, LayerState::Partial) => {
            Some("needs Linux 6.10 for all of it; the filter of system calls covers the rest")
        }
        (Layer::LandlockNet, LayerState::Missing) => {
            Some("needs Linux 6.7; connections are answered by the server either way")
        }
        (Layer::LandlockScope, LayerState::Missing) => {
            Some("needs Linux 6.12; the filter of system calls covers it")
        }
        (Layer::WriteXorExecute, LayerState::Missing) => {
            Some("needs Linux 6.3; the filter of system calls covers it")
        }
        (_, LayerState::Off) => Some("left out by [sandbox.layers]"),
        _ => None,
    };
    LayerReport {
        layer,
        level,
        state,
        source,
        todo: todo.map(str::to_owned),
    }
}
