//! Where a command's words go: data to standard output, talk to standard error.
//!
//! Data is an aligned table on a terminal, plain lines with tabs when it is piped, and one JSON object per
//! line with `--json`. Talk, such as warnings, questions and progress, never mixes with it, so that a pipe
//! always carries data only. A key can hold any character; what could move a terminal's cursor or forge a
//! second line is shown escaped, except in JSON, which is exact.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use clap::Args;
use serde::Serialize;

/// How a command shows its data.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputArgs {
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
}

/// The form of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns under a heading.
    Table,
    /// One line per row, tabs between its cells, no heading.
    Plain,
    /// One JSON object per line.
    Json,
}

/// Whether words may be emphasised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Terminal, and no `NO_COLOR`.
    Colour,
    /// Anything else.
    Plain,
}

/// Whether there is somebody to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Standard input and standard error are terminals.
    Person,
    /// A script, a pipe, a log.
    Nobody,
}

/// Both streams of a command.
pub struct Output {
    form: Form,
    ink: Ink,
    audience: Audience,
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
}

impl Output {
    /// The process's own streams.
    pub fn standard(args: OutputArgs) -> Self {
        let (data, talk) = (io::stdout(), io::stderr());
        let form = match (args.json, data.is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Table,
            (false, false) => Form::Plain,
        };
        // See no-color.org: set and not empty means no colour.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let ink = if form == Form::Table && !unwanted { Ink::Colour } else { Ink::Plain };
        let audience =
            if io::stdin().is_terminal() && talk.is_terminal() { Audience::Person } else { Audience::Nobody };
        Self { form, ink, audience, data: Box::new(BufWriter::new(data)), talk: Box::new(talk) }
    }

    /// Streams of a test's own.
    pub fn to(form: Form, data: impl Write + Send + 'static, talk: impl Write + Send + 'static) -> Self {
        let (data, talk) = (Box::new(data), Box::new(talk));
        Self { form, ink: Ink::Plain, audience: Audience::Nobody, data, talk }
    }

    /// The form of the data.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether headings may be emphasised.
    pub fn ink(&self) -> Ink {
        self.ink
    }

    /// Whether there is somebody to ask.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// Writes lines of data, as they are.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        self.data.write_all(text.as_bytes())
    }

    /// Writes one JSON object on a line of its own.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.data, value)?;
        self.data.write_all(b"\n")
    }

    /// Says something to whoever watches.
    ///
    /// # Errors
    /// When standard output, which is flushed first to keep the order, takes no more.
    pub fn say(&mut self, text: impl Display) -> io::Result<()> {
        self.flush()?;
        // Standard error may be closed; what the command does does not depend on it.
        drop(writeln!(self.talk, "{text}"));
        Ok(())
    }

    /// Says that something is not as it should be, though the command goes on.
    ///
    /// # Errors
    /// As of [`Self::say`].
    pub fn warn(&mut self, text: impl Display) -> io::Result<()> {
        self.say(format_args!("warning: {text}"))
    }

    /// Asks a question that only `y` or `yes` affirms.
    ///
    /// # Errors
    /// When the question cannot be put or no answer can be read.
    pub fn ask(&mut self, question: impl Display) -> io::Result<Answer> {
        self.flush()?;
        write!(self.talk, "{question} [y/N] ")?;
        self.talk.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let affirmed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        Ok(if affirmed { Answer::Yes } else { Answer::No })
    }

    /// Hands on what is still buffered.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn flush(&mut self) -> io::Result<()> {
        self.data.flush()
    }
}

/// What somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Anything else.
    No,
}

/// Text with everything escaped that a terminal would act on, or that would look like another line or cell.
pub fn printable(text: &str) -> Cow<'_, str> {
    // Marks that turn the direction of what follows can make one key look like another.
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number and what it counts: `1 upload`, `2,500 uploads`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(printable("wände/2026 a.jpg"), "wände/2026 a.jpg");
        assert_eq!(printable("a\tb\nc\u{1b}[2Jd\u{202e}e"), "a\\tb\\nc\\u{1b}[2Jd\\u{202e}e");
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        let shown: Vec<_> = [0, 999, 1_000, 1_234_567].map(grouped).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "upload"), counted(2_500, "part")), ("1 upload".into(), "2,500 parts".into()));
    }
}
