//! Which files a data set needs, and how each is had: found, or else downloaded.

use super::{
    cifar::{self, TestFile},
    content::{self, Content},
    error::Error,
    event::Observer,
    images::Dataset,
    mnist,
    places::Places,
    table::{DataSet, FileSpec},
};

/// Has every file of `set` and puts the data set together.
///
/// # Errors
/// Any of [`Error`].
pub fn dataset(
    set: DataSet,
    download: bool,
    places: &Places,
    observe: &mut Observer<'_>,
) -> Result<Dataset, Error> {
    let mut source = Source {
        set,
        download,
        places,
        observe,
    };
    let files = set.entry().files;
    match set {
        DataSet::Mnist | DataSet::FashionMnist => {
            let contents = [
                source.have(&files[0])?,
                source.have(&files[1])?,
                source.have(&files[2])?,
                source.have(&files[3])?,
            ];
            mnist::parse(set, &contents)
        }
        DataSet::Cifar10 => {
            let batches = [
                source.have(&files[0])?,
                source.have(&files[1])?,
                source.have(&files[2])?,
                source.have(&files[3])?,
                source.have(&files[4])?,
            ];
            let test = match source.find(&files[5])? {
                Some(whole) => TestFile::Whole(whole),
                None => match source.find(&files[6])? {
                    Some(first) => TestFile::First1000(first),
                    None => TestFile::Whole(source.have(&files[5])?),
                },
            };
            cifar::assemble(&batches, &test)
        }
        DataSet::Strokes => Err(Error::Missing {
            set,
            file: "strokes",
            looked: Vec::new(),
        }),
    }
}

struct Source<'a, 'b, 'c> {
    set: DataSet,
    download: bool,
    places: &'a Places,
    observe: &'b mut Observer<'c>,
}

impl Source<'_, '_, '_> {
    /// The file, if a place holds it.
    fn find(&mut self, file: &FileSpec) -> Result<Option<Content>, Error> {
        match self.places.find(self.set, file, self.observe) {
            Some(path) => {
                content::read(file, &path, &self.places.unpacked(), self.observe).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The file, from a place or from its publisher.
    fn have(&mut self, file: &FileSpec) -> Result<Content, Error> {
        if let Some(content) = self.find(file)? {
            return Ok(content);
        }
        let looked = self.places.all().map(Into::into).collect();
        Err(Error::Missing {
            set: self.set,
            file: file.name,
            looked,
        })
    }
}
