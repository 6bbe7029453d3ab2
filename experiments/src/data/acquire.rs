//! Which files a data set needs, and how each is had: found, or else downloaded.

use super::{
    cifar::{self, TestFile},
    content::{self, Content},
    error::Error,
    event::{Event, Observer},
    images::Dataset,
    mnist,
    places::Places,
    strokes,
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
        DataSet::Strokes => {
            (source.observe)(Event::Generating { set });
            strokes::draw(strokes::Options::default())
        }
    }
}

/// Has every published file of `set`, from a place or by download.
///
/// # Errors
/// Any of [`Error`].
pub fn complete(set: DataSet, places: &Places, observe: &mut Observer<'_>) -> Result<(), Error> {
    let mut source = Source {
        set,
        download: true,
        places,
        observe,
    };
    let mut published = set.entry().files.iter().filter(|file| file.published);
    published.try_for_each(|file| source.have(file).map(drop))
}

struct Source<'a, 'b, 'c> {
    set: DataSet,
    #[cfg_attr(
        not(feature = "download"),
        expect(dead_code, reason = "nothing is downloaded")
    )]
    download: bool,
    places: &'a Places,
    observe: &'b mut Observer<'c>,
}

impl Source<'_, '_, '_> {
    /// The file, if a place holds it.
    fn find(&mut self, file: &FileSpec) -> Result<Option<Content>, Error> {
        let found = self.places.find(self.set, file, self.observe);
        let unpacked = self.places.unpacked();
        found
            .map(|path| content::read(file, &path, &unpacked, self.observe))
            .transpose()
    }

    /// The file, from a place or from its publisher.
    fn have(&mut self, file: &FileSpec) -> Result<Content, Error> {
        if let Some(content) = self.find(file)? {
            return Ok(content);
        }
        #[cfg(feature = "download")]
        if self.download {
            let path = super::download::get(self.set, file, self.places, self.observe)?;
            return content::read(file, &path, &self.places.unpacked(), self.observe);
        }
        let looked = self.places.all().map(Into::into).collect();
        Err(Error::Missing {
            set: self.set,
            file: file.name,
            looked,
        })
    }
}
