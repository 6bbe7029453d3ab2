//! Gets data sets from their publishers into the cache folder.
//!
//! What arrives is written under another name, checked against its published digest, and only then given
//! its own, so that a download cut short is never taken for the file. An address that does not answer is
//! given up within seconds.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::{
    content,
    error::Error,
    event::{Event, Observer},
    places::Places,
    table::{Archive, DataSet, FileSpec, Origin},
};

/// How long to wait for a connection, for an answer, and for each further piece of it.
const PATIENCE: Duration = Duration::from_secs(8);
/// No published file is larger.
const LARGEST: u64 = 256 * 1024 * 1024;
/// Bytes between two events.
const STEP: usize = 64 * 1024;

/// Gets `file` (and, where it is published in an archive, the files beside it) and says where it lies.
///
/// # Errors
/// [`Error::Download`] when every address failed or delivered something else; [`Error::Missing`] for a
/// file that nobody publishes; [`Error::Write`] if the cache folder cannot be written.
pub fn get(
    set: DataSet,
    file: &FileSpec,
    places: &Places,
    observe: &mut Observer<'_>,
) -> Result<PathBuf, Error> {
    let folder = places.downloads(set);
    match (set.entry().origin, file.gz_sha256) {
        (Origin::Files(bases), Some(sha256)) => {
            let name = format!("{}.gz", file.name);
            let urls: Vec<String> = bases.iter().map(|base| format!("{base}/{name}")).collect();
            let path = folder.join(&name);
            transfer(&name, sha256, &urls, &path, observe)?;
            Ok(path)
        }
        (Origin::Archive(archive), _) => {
            let Archive { name, sha256, urls } = archive;
            let urls: Vec<String> = urls.iter().map(|&url| url.into()).collect();
            let path = folder.join(name);
            transfer(name, sha256, &urls, &path, observe)?;
            extract(set, &path, &folder)?;
            fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
            Ok(folder.join(file.name))
        }
        (Origin::Files(_) | Origin::Generated, _) => {
            let looked = places.all().map(Into::into).collect();
            Err(Error::Missing {
                set,
                file: file.name,
                looked,
            })
        }
    }
}

/// Tries one address after the other until one delivers the bytes with this digest.
fn transfer(
    name: &str,
    sha256: &str,
    urls: &[String],
    path: &Path,
    observe: &mut Observer<'_>,
) -> Result<(), Error> {
    let fail = |source| Error::Write {
        path: path.into(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let mut reasons = Vec::new();
    for url in urls {
        let reason = match attempt(name, url, &part, observe) {
            Ok(digest) if digest == sha256 => {
                return fs::rename(&part, path).map_err(fail);
            }
            Ok(digest) => format!("its sha256 should be {sha256} and is {digest}"),
            Err(reason) => reason,
        };
        observe(Event::Failed {
            url,
            reason: &reason,
        });
        reasons.push(format!("{url}: {reason}"));
        // Nothing may have been written yet.
        let _ = fs::remove_file(&part);
    }
    Err(Error::Download {
        name: name.into(),
        reasons,
    })
}

/// Writes what the address delivers to `part` and returns its sha256, or says in words what failed.
fn attempt(
    name: &str,
    url: &str,
    part: &Path,
    observe: &mut Observer<'_>,
) -> Result<String, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let response = agent.get(url).call().map_err(|error| error.to_string())?;
    let total = response.body().content_length();
    let mut body = response.into_body().into_reader().take(LARGEST);
    let mut out = fs::File::create(part).map_err(|error| error.to_string())?;
    let (mut hash, mut done, mut buffer) = (Sha256::new(), 0, vec![0; STEP]);
    loop {
        observe(Event::Downloading { name, done, total });
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.to_string()),
        };
        hash.update(&buffer[..n]);
        out.write_all(&buffer[..n])
            .map_err(|error| error.to_string())?;
        done += n as u64;
    }
    Ok(content::hex(&hash.finalize()))
}

/// Writes the files of the table that the archive holds into `folder`, whatever paths it gives them.
fn extract(set: DataSet, archive: &Path, folder: &Path) -> Result<(), Error> {
    let unpack = |error: io::Error| Error::Unpack {
        path: archive.into(),
        reason: error.to_string(),
    };
    let source = fs::File::open(archive).map_err(|source| Error::Read {
        path: archive.into(),
        source,
    })?;
    let mut members = tar::Archive::new(GzDecoder::new(io::BufReader::new(source)));
    for member in members.entries().map_err(unpack)? {
        let member = member.map_err(unpack)?;
        let path = member.path().map_err(unpack)?.into_owned();
        let Some(file) = set
            .entry()
            .files
            .iter()
            .find(|f| path.file_name() == Some(f.name.as_ref()))
        else {
            continue;
        };
        let mut bytes = Vec::new();
        member
            .take(file.format.bytes() + 1)
            .read_to_end(&mut bytes)
            .map_err(unpack)?;
        let path = folder.join(file.name);
        content::check(file, &path, &bytes)?;
        content::write(&path, &bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::BufRead, net::TcpListener, thread};

    /// A server on this machine that answers every request with the same bytes.
    fn serve(status: &'static str, body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut lines = io::BufReader::new(stream.try_clone().expect("a handle")).lines();
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let sent = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(body));
                sent.expect("an answer");
            }
        });
        format!("http://{address}/file")
    }

    #[test]
    fn a_mirror_steps_in_and_progress_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/file.gz");
        let urls = [
            serve("404 Not Found", b""),
            serve("200 OK", b"other"),
            serve("200 OK", b"right"),
        ];
        let (mut failed, mut last) = (0, None);
        let result = transfer(
            "file.gz",
            &content::sha256(b"right"),
            &urls,
            &path,
            &mut |event| match event {
                Event::Failed { .. } => failed += 1,
                Event::Downloading { done, total, .. } => last = Some((done, total)),
                _ => {}
            },
        );
        assert!(result.is_ok(), "{result:?}");
        assert_eq!((failed, last), (2, Some((5, Some(5)))));
        assert_eq!(fs::read(&path).expect("the file"), b"right");
        assert_eq!(
            fs::read_dir(folder.path().join("new"))
                .expect("the folder")
                .count(),
            1
        );
    }

    #[test]
    fn what_has_another_digest_is_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.gz");
        let urls = [serve("200 OK", b"other")];
        let error = transfer(
            "file.gz",
            &content::sha256(b"right"),
            &urls,
            &path,
            &mut |_| {},
        )
        .expect_err("another digest")
        .to_string();
        assert!(error.contains(&content::sha256(b"right")), "{error}");
        assert!(error.contains(&content::sha256(b"other")), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }

    #[test]
    fn nobody_listening_fails_at_once() {
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("it");
        let folder = tempfile::tempdir().expect("a folder");
        let urls = [format!("http://{port}/file")];
        let started = std::time::Instant::now();
        let result = transfer("file", "", &urls, &folder.path().join("file"), &mut |_| {});
        assert!(matches!(result, Err(Error::Download { .. })), "{result:?}");
        assert!(started.elapsed() < PATIENCE);
    }

    /// A `.tar.gz` of these members.
    fn archive(members: &[(&str, &[u8])], path: &Path) {
        let gz = flate2::write::GzEncoder::new(
            fs::File::create(path).expect("a file"),
            flate2::Compression::fast(),
        );
        let mut tar = tar::Builder::new(gz);
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            // Written as bytes, because the builder refuses the names that an attacker would choose.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).expect("a member");
        }
        tar.into_inner()
            .and_then(|gz| gz.finish())
            .expect("an archive");
    }

    #[test]
    fn an_archive_writes_nothing_but_checked_files_of_the_table() {
        let root = tempfile::tempdir().expect("a folder");
        let (path, folder) = (root.path().join("a.tar.gz"), root.path().join("in/here"));
        archive(
            &[
                ("../../evil", b"x"),
                ("/etc/sim-evil", b"x"),
                ("readme.html", b"x"),
            ],
            &path,
        );
        extract(DataSet::Cifar10, &path, &folder).expect("nothing to extract");
        assert!(!folder.exists() && !root.path().join("evil").exists());

        archive(&[("../data_batch_1.bin", b"\x01short")], &path);
        let cut = extract(DataSet::Cifar10, &path, &folder);
        assert!(
            matches!(cut, Err(Error::Truncated { found: 6, .. })),
            "{cut:?}"
        );
        assert!(!folder.exists());

        fs::write(&path, b"no archive at all").expect("a file");
        let none = extract(DataSet::Cifar10, &path, &folder);
        assert!(matches!(none, Err(Error::Unpack { .. })), "{none:?}");
    }
}
