//! The sample table as Parquet and CSV, and back from Parquet.
//!
//! The same rows give the same bytes on any machine: rows are sorted before they are written, the files
//! hold no time, host or user, and columns are encoded one after the other, by one thread.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use polars::prelude::{
    Column, CsvWriter, DataFrame, DataType, NamedFrom, ParallelStrategy, ParquetCompression,
    ParquetReader, ParquetWriter, PolarsError, PolarsResult, SerReader, SerWriter, Series,
};

use crate::{SampleRow, Summary};

/// Rows in a Parquet row group; fixed, because the bytes depend on it.
const ROW_GROUP: usize = 1 << 18;
/// Rows in a batch of CSV; it does not change the bytes, only the memory in use.
const CSV_BATCH: usize = 1 << 14;

/// Sorts rows by strategy and board in the summary's order, then by seed and sample.
///
/// # Errors
///
/// A sentence, where a row belongs to no strategy of the summary or is there twice.
pub(crate) fn sorted(rows: &[SampleRow], summary: &Summary) -> Result<Vec<SampleRow>, String> {
    let order: HashMap<(&str, &str), usize> = summary
        .strategies
        .iter()
        .enumerate()
        .map(|(index, entry)| ((entry.name.as_str(), entry.board.as_str()), index))
        .collect();
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(&index) = order.get(&(&*row.strategy, &*row.board)) else {
            return Err(format!(
                "sample {} belongs to strategy `{}` on `{}`, which the summary does not list",
                row.sample, row.strategy, row.board
            ));
        };
        keyed.push(((index, row.seed, row.sample), row));
    }
    keyed.sort_by_key(|(key, _)| *key);
    if let Some(pair) = keyed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let row = pair[0].1;
        return Err(format!(
            "sample {} of strategy `{}` on `{}`, seed {}, is there twice",
            row.sample, row.strategy, row.board, row.seed
        ));
    }
    Ok(keyed.into_iter().map(|(_, row)| row.clone()).collect())
}

/// The rows as a table, in the order given.
pub(crate) fn frame(rows: &[SampleRow]) -> PolarsResult<DataFrame> {
    fn column<T>(rows: &[SampleRow], value: impl Fn(&SampleRow) -> T) -> Vec<T> {
        rows.iter().map(value).collect()
    }
    let columns = vec![
        Series::new(
            "strategy".into(),
            column(rows, |row| row.strategy.to_string()),
        ),
        Series::new("board".into(), column(rows, |row| row.board.to_string())),
        Series::new("seed".into(), column(rows, |row| row.seed)),
        Series::new("sample".into(), column(rows, |row| row.sample)),
        Series::new("label".into(), column(rows, |row| u32::from(row.label))),
        Series::new(
            "prediction".into(),
            column(rows, |row| u32::from(row.prediction)),
        ),
        Series::new("correct".into(), column(rows, SampleRow::correct)),
        Series::new("loss".into(), column(rows, |row| row.loss)),
        Series::new("prequential".into(), column(rows, |row| row.prequential)),
        Series::new(
            "test_accuracy".into(),
            column(rows, |row| row.test_accuracy),
        ),
        Series::new("buffer_len".into(), column(rows, |row| row.buffer_len)),
        Series::new("drift".into(), column(rows, |row| row.drift)),
    ];
    DataFrame::new(rows.len(), columns.into_iter().map(Column::from).collect())
}

/// The table as the bytes of a Parquet file.
pub(crate) fn to_parquet(table: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_row_group_size(Some(ROW_GROUP))
        .set_parallel(false)
        .finish(table)?;
    Ok(bytes)
}

/// The table as the text of a CSV file: a header, then one line a row, empty where a value is missing.
pub(crate) fn to_csv(table: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let batch = std::num::NonZeroUsize::new(CSV_BATCH).unwrap_or(std::num::NonZeroUsize::MIN);
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes)
        .with_batch_size(batch)
        .finish(table)?;
    Ok(bytes)
}

/// Reads rows back from the bytes of a Parquet file.
///
/// # Errors
///
/// Where the bytes are no Parquet, or a column is missing, of another type or out of range.
pub(crate) fn from_parquet(bytes: &[u8]) -> PolarsResult<Vec<SampleRow>> {
    let table = ParquetReader::new(Cursor::new(bytes))
        .read_parallel(ParallelStrategy::None)
        .finish()?;
    let missing =
        |name: &str| PolarsError::ComputeError(format!("a value of `{name}` is missing").into());
    let large =
        |name: &str| PolarsError::ComputeError(format!("a value of `{name}` exceeds 65535").into());
    let column = |name: &str, dtype: DataType| -> PolarsResult<Series> {
        let found = table.column(name)?.as_materialized_series();
        if found.dtype() != &dtype {
            let cause = format!("column `{name}` holds {}, not {dtype}", found.dtype());
            return Err(PolarsError::SchemaMismatch(cause.into()));
        }
        Ok(found.clone())
    };
    let strategy = column("strategy", DataType::String)?;
    let board = column("board", DataType::String)?;
    let seed = column("seed", DataType::UInt64)?;
    let sample = column("sample", DataType::UInt64)?;
    let label = column("label", DataType::UInt32)?;
    let prediction = column("prediction", DataType::UInt32)?;
    let loss = column("loss", DataType::Float32)?;
    let prequential = column("prequential", DataType::Float32)?;
    let test_accuracy = column("test_accuracy", DataType::Float32)?;
    let buffer_len = column("buffer_len", DataType::UInt32)?;
    let drift = column("drift", DataType::Boolean)?;
    let (strategy, board) = (strategy.str()?, board.str()?);
    let (seed, sample) = (seed.u64()?, sample.u64()?);
    let (label, prediction) = (label.u32()?, prediction.u32()?);
    let (loss, prequential) = (loss.f32()?, prequential.f32()?);
    let (test_accuracy, buffer_len, drift) =
        (test_accuracy.f32()?, buffer_len.u32()?, drift.bool()?);

    let mut names = Names::default();
    (0..table.height())
        .map(|row| {
            let class = |value: Option<u32>, name: &str| {
                let value = value.ok_or_else(|| missing(name))?;
                u16::try_from(value).map_err(|_| large(name))
            };
            Ok(SampleRow {
                strategy: names.shared(strategy.get(row).ok_or_else(|| missing("strategy"))?),
                board: names.shared(board.get(row).ok_or_else(|| missing("board"))?),
                seed: seed.get(row).ok_or_else(|| missing("seed"))?,
                sample: sample.get(row).ok_or_else(|| missing("sample"))?,
                label: class(label.get(row), "label")?,
                prediction: class(prediction.get(row), "prediction")?,
                loss: loss.get(row),
                prequential: prequential.get(row).ok_or_else(|| missing("prequential"))?,
                test_accuracy: test_accuracy.get(row),
                buffer_len: buffer_len.get(row).ok_or_else(|| missing("buffer_len"))?,
                drift: drift.get(row).ok_or_else(|| missing("drift"))?,
            })
        })
        .collect()
}

/// One allocation per distinct name, however many rows bear it.
#[derive(Default)]
struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(name);
        self.0.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}
