//! A run of the binary in a folder of its own, with a cache of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for one test, with what the binary may keep between two commands.
pub struct Place {
    pub folder: tempfile::TempDir,
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the folder can be written to");
        path
    }

    /// The binary, about to run in this folder.
    pub fn sim(&self, arguments: &[&str]) -> Command {
        self.share_firmware();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("SIM_CACHE_DIR", self.path("cache"))
            .env_remove("SIM_LOG");
        command
    }

    /// Has the firmware that is compiled for measuring kept between tests: it takes longer than most of them. It is kept by
    /// the digest of its sources, so no test ever meets that of other sources.
    fn share_firmware(&self) {
        let (cache, shared) = (
            self.path("cache"),
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware"),
        );
        if cache.exists() {
            return;
        }
        std::fs::create_dir_all(&shared).expect("the target folder can be written to");
        std::fs::create_dir(&cache).expect("the folder can be written to");
        std::os::unix::fs::symlink(shared, cache.join("firmware")).expect("links can be made");
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.sim(arguments).output().expect("the binary starts")
    }

    /// Runs it; its standard output, after it exited with 0.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "sim {arguments:?} failed:\n{out}\n{err}"
        );
        out
    }

    /// Runs it; its standard error, after it exited with `code` and without a panic.
    pub fn fail(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "sim {arguments:?}:\n{err}"
        );
        assert!(!err.contains("panicked"), "{err}");
        err
    }

    /// `summary.json` of the run `name`.
    pub fn summary(&self, name: &str) -> serde_json::Value {
        let text = std::fs::read(self.path("reports").join(name).join("summary.json"))
            .expect("the run wrote its summary");
        serde_json::from_slice(&text).expect("the summary is JSON")
    }

    /// A file of the report of run `name`.
    pub fn report(&self, name: &str, file: &str) -> Vec<u8> {
        std::fs::read(self.path("reports").join(name).join(file)).expect("the run wrote it")
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small drift on drawn digits: seconds, and no data needed.
pub const SMALL: &str = r#"
name = "small"
seeds = 2
boards = ["nano33ble"]
network = "thesis_cnn"

[data]
set = "strokes"
normalise = "standard"
validation = 500

[pretrain]
epochs = 1
limit = 1500
training = { learning_rate = 0.002, optimiser = { adam = {} } }

[experiment.concept_drift]
length = 60
drift_at = 20
test_images = 100

[[strategies]]
name = "static"
train = "none"

[[strategies]]
name = "transfer"
train = "last:1"
training = { learning_rate = 0.001 }
online = { policy = "fifo", slots = 20 }
"#;
