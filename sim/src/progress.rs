//! What a person sees while it runs: bars on a terminal, plain lines elsewhere, nothing with `-q`.

use experiments::data::Event;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Seconds between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Writes a line to standard error. Where nobody reads it, or the disk that it goes to is full, the work goes on all the
/// same.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Tells a person how far it is. Writes to standard error only.
pub struct Progress {
    quiet: bool,
    terminal: bool,
    download: Mutex<Option<(String, ProgressBar)>>,
}

impl Progress {
    /// Silent where `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            terminal: std::io::stderr().is_terminal(),
            download: Mutex::new(None),
        }
    }

    /// A line, in its place among the bars.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            tell(text);
        }
    }

    /// A task of `total` steps.
    pub fn task(&self, what: &str, total: u64) -> Task {
        let bar = if self.quiet || !self.terminal {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::new(total);
            bar.set_style(style("{msg:28} {bar:32} {percent:>3} %  {eta} left"));
            bar.set_message(what.to_owned());
            bar
        };
        let plain = !self.quiet && !self.terminal;
        Task {
            what: what.to_owned(),
            total,
            bar,
            plain: plain.then(|| Mutex::new(Instant::now())),
        }
    }

    /// What happens while data are being had.
    pub fn data(&self, event: &Event<'_>) {
        match event {
            Event::Downloading { name, done, total } => self.downloading(name, *done, *total),
            Event::Failed { url, reason } => self.line(&format!("{url}: {reason}")),
            Event::Unpacking { path } => self.line(&format!("Unpacking {}", path.display())),
            Event::Generating { set } => self.line(&format!("Drawing {set}")),
            Event::Found { path } => tracing::debug!(path = %path.display(), "found"),
            Event::Looking { file, place } => {
                tracing::debug!(file, place = %place.display(), "looking");
            }
            Event::Verified { path, sha256 } => {
                tracing::debug!(path = %path.display(), sha256, "verified");
            }
        }
    }

    fn downloading(&self, name: &str, done: u64, total: Option<u64>) {
        let Ok(mut current) = self.download.lock() else {
            return;
        };
        if current.as_ref().is_none_or(|(n, _)| n != name) {
            let bar = match (self.quiet || !self.terminal, total) {
                (true, _) => ProgressBar::hidden(),
                (false, Some(total)) => ProgressBar::new(total),
                (false, None) => ProgressBar::new_spinner(),
            };
            bar.set_style(style("{msg:28} {bar:32} {bytes} of {total_bytes}"));
            bar.set_message(name.to_owned());
            self.line(&format!("Downloading {name}"));
            *current = Some((name.to_owned(), bar));
        }
        if let Some((_, bar)) = current.as_ref() {
            bar.set_position(done);
            if Some(done) == total {
                bar.finish_and_clear();
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// A task with a known number of steps.
pub struct Task {
    what: String,
    total: u64,
    bar: ProgressBar,
    /// When the last plain line was written, where lines are.
    plain: Option<Mutex<Instant>>,
}

impl Task {
    /// `steps` more are done.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
        let Some(last) = &self.plain else { return };
        let Ok(mut last) = last.try_lock() else {
            return;
        };
        if last.elapsed() >= PLAIN_EVERY {
            *last = Instant::now();
            let percent = 100 * self.bar.position() / self.total.max(1);
            tell(&format!("{}: {percent} %", self.what));
        }
    }

    /// It is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
