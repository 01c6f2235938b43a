//! What the operating system asks of the process.

use std::io::IsTerminal;

/// The signals that ask a process to stop, heard from the moment this is made: Ctrl-C, SIGTERM, and SIGHUP of a
/// terminal that is closed. A process without a terminal goes on at SIGHUP, and one that was started with SIGHUP
/// ignored (`nohup`) keeps it so.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: Listener,
    #[cfg(unix)]
    terminate: Listener,
    #[cfg(unix)]
    hangup: Listener,
    has_terminal: bool,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn listen() -> Self {
        #[cfg(unix)]
        use tokio::signal::unix::SignalKind;
        Self {
            #[cfg(unix)]
            interrupt: Listener::to(SignalKind::interrupt()),
            #[cfg(unix)]
            terminate: Listener::to(SignalKind::terminate()),
            // To listen would undo that it is ignored.
            #[cfg(unix)]
            hangup: if is_hangup_ignored() {
                Listener(None)
            } else {
                Listener::to(SignalKind::hangup())
            },
            has_terminal: std::io::stdin().is_terminal()
                || std::io::stdout().is_terminal()
                || std::io::stderr().is_terminal(),
        }
    }

    /// Waits until the process is asked to stop. Tells by what.
    #[cfg(unix)]
    pub async fn asked_to_stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                () = self.interrupt.heard() => return "SIGINT",
                () = self.terminate.heard() => return "SIGTERM",
                () = self.hangup.heard() => {
                    if self.has_terminal {
                        return "SIGHUP";
                    }
                    tracing::info!("SIGHUP: there is no terminal that was closed, and nothing to reload");
                }
            }
        }
    }

    /// Waits until the process is asked to stop by somebody who means it: by everything but the end of its terminal,
    /// which may be told twice.
    #[cfg(unix)]
    pub async fn asked_again(&mut self) -> &'static str {
        tokio::select! {
            () = self.interrupt.heard() => "SIGINT",
            () = self.terminate.heard() => "SIGTERM",
        }
    }

    /// Waits until the process is asked to stop. Tells by what.
    #[cfg(not(unix))]
    pub async fn asked_to_stop(&mut self) -> &'static str {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }

    /// As [`asked_to_stop`](Self::asked_to_stop).
    #[cfg(not(unix))]
    pub async fn asked_again(&mut self) -> &'static str {
        self.asked_to_stop().await
    }
}

/// Waits until the process is asked to stop, as [`Signals`] hear it. It listens from the moment of the call, not only
/// once it is awaited.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn asked_to_stop() -> impl Future<Output = ()> {
    let mut signals = Signals::listen();
    async move {
        signals.asked_to_stop().await;
    }
}

/// Hears one signal, or nothing for ever.
#[cfg(unix)]
#[derive(Debug)]
struct Listener(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Listener {
    fn to(kind: tokio::signal::unix::SignalKind) -> Self {
        let listener = tokio::signal::unix::signal(kind);
        Self(
            listener
                .inspect_err(|error| tracing::warn!(%error, "cannot listen for a signal"))
                .ok(),
        )
    }

    async fn heard(&mut self) {
        let heard = match &mut self.0 {
            Some(listener) => listener.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether the process was started with SIGHUP ignored. Only Linux tells; elsewhere it has no terminal under `nohup`,
/// and goes on for that.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Whether bit 0, which is signal 1, is set in the mask of ignored signals.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        for (status, ignores) in [
            (
                "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n",
                false,
            ),
            ("Name:\tstellar\nSigIgn:\t0000000000001001\n", true),
            ("SigIgn:\tnonsense\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hangup(status), ignores, "{status}");
        }
    }
}
