//! Rows of cells, aligned for people and separated by tabs for pipes.
//!
//! A listing can have a million rows, so a table never holds more than a bounded number of them: each such piece is
//! aligned by its own widest cells and those before it, then printed.

use std::io;

use unicode_width::UnicodeWidthStr as _;

use crate::output::{Form, Ink, Output, printable};

/// Rows that wait for their widths: a page of an S3 listing, some 300 KB of text.
const ROWS_MAX: usize = 1_000;

/// On which side the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column: its heading and the side of its cells.
pub type Column = (&'static str, Side);

/// A table that is being printed.
#[derive(Debug)]
pub struct Table {
    columns: &'static [Column],
    widths: Vec<usize>,
    waiting: Vec<Vec<String>>,
    heading: Heading,
}

#[derive(Debug, PartialEq, Eq)]
enum Heading {
    Due,
    Printed,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &'static [Column]) -> Self {
        let widths = columns.iter().map(|(name, _)| name.width()).collect();
        Self { columns, widths, waiting: Vec::new(), heading: Heading::Due }
    }

    /// Adds a row, with one cell for each column.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn row(&mut self, output: &mut Output, cells: &[String]) -> io::Result<()> {
        debug_assert_eq!(cells.len(), self.columns.len(), "a row has a cell for each column");
        let cells: Vec<String> = cells.iter().map(|cell| printable(cell).into_owned()).collect();
        if output.form() != Form::Table {
            return output.data(&(cells.join("\t") + "\n"));
        }
        self.waiting.push(cells);
        if self.waiting.len() >= ROWS_MAX { self.end(output) } else { Ok(()) }
    }

    /// Prints the rows that wait; the table can go on after it.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn end(&mut self, output: &mut Output) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        for (at, width) in self.widths.iter_mut().enumerate() {
            let widest = self.waiting.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max();
            *width = widest.unwrap_or(0).max(*width);
        }
        if self.heading == Heading::Due {
            self.heading = Heading::Printed;
            let names: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let line = self.line(&names);
            match output.ink() {
                Ink::Colour => output.data(&format!("\u{1b}[1m{line}\u{1b}[0m\n"))?,
                Ink::Plain => output.data(&format!("{line}\n"))?,
            }
        }
        for row in std::mem::take(&mut self.waiting) {
            output.data(&format!("{}\n", self.line(&row)))?;
        }
        Ok(())
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.iter().zip(&self.widths).zip(self.columns) {
            let blank = " ".repeat(width.saturating_sub(cell.width()));
            match side {
                Side::Left => line.extend([cell, blank.as_str(), "  "]),
                Side::Right => line.extend([blank.as_str(), cell, "  "]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(form: Form, rows: &[[&str; 2]]) -> String {
        let page = Page::default();
        let mut output = Output::to(form, page.clone(), io::sink());
        let mut table = Table::new(&[("KEY", Side::Left), ("BYTES", Side::Right)]);
        for row in rows {
            table.row(&mut output, &row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()).unwrap();
        }
        table.end(&mut output).unwrap();
        let text = page.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_terminal_gets_columns_by_the_width_that_is_seen() {
        let text = shown(Form::Table, &[["a", "1 B"], ["石垣", "12.0 KiB"], ["a\nb", "0 B"]]);
        assert_eq!(text, "KEY      BYTES\na          1 B\n石垣  12.0 KiB\na\\nb       0 B\n");
        assert_eq!(shown(Form::Table, &[]), "", "a heading without rows says nothing");
    }

    #[test]
    fn a_pipe_gets_tabs_and_no_heading() {
        assert_eq!(shown(Form::Plain, &[["a\tb", "1 B"], ["c", "2 B"]]), "a\\tb\t1 B\nc\t2 B\n");
    }

    #[test]
    fn a_long_table_is_printed_in_pieces() {
        let rows = vec![["k", "1 B"]; ROWS_MAX + 1];
        let text = shown(Form::Table, &rows);
        assert_eq!(text.lines().count(), ROWS_MAX + 2);
        assert_eq!(text.matches("KEY").count(), 1);
    }
}
