//! `--exclude` and `--include`, as in the AWS CLI: everything is in at first, and the last pattern that matches decides.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use globset::{GlobBuilder, GlobMatcher};

/// The patterns in the order in which they were typed.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(Verdict, GlobMatcher)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    In,
    Out,
}

impl Filters {
    /// Whether what has this path, from the folder that is copied, is meant.
    pub fn admit(&self, relative: &str) -> bool {
        let last = self.0.iter().rev().find(|(_, pattern)| pattern.is_match(relative));
        last.is_none_or(|(verdict, _)| *verdict == Verdict::In)
    }

    /// Whether everything is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a pattern: `*` is any text, slashes included, `?` any character, `[ab]` one of these.
fn parse_pattern(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(false).build();
    let why = |error: globset::Error| {
        format!("`{text}` is no pattern ({}); expected something like *.jpg or logs/*", error.kind())
    };
    glob.map(|glob| glob.compile_matcher()).map_err(why)
}

// By hand, because the order between two options is not in a derived struct.
impl Args for Filters {
    fn augment_args(command: Command) -> Command {
        let option = |name, help| {
            let option = Arg::new(name).long(name).value_name("PATTERN").value_parser(parse_pattern);
            option.action(ArgAction::Append).requires("recursive").help(help)
        };
        command
            .arg(option(
                "exclude",
                "Leave out what matches: *.tmp, logs/*; the last of these options that matches decides",
            ))
            .arg(option("include", "Take in what matches, though an earlier --exclude leaves it out"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Filters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for (name, verdict) in [("exclude", Verdict::Out), ("include", Verdict::In)] {
            let places = matches.indices_of(name).into_iter().flatten();
            let patterns = matches.get_many::<GlobMatcher>(name).into_iter().flatten();
            found.extend(places.zip(patterns).map(|(place, pattern)| (place, verdict, pattern.clone())));
        }
        found.sort_by_key(|(place, ..)| *place);
        Ok(Self(found.into_iter().map(|(_, verdict, pattern)| (verdict, pattern)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(typed: &[&str]) -> Result<Filters, clap::Error> {
        let recursive = Arg::new("recursive").long("recursive").action(ArgAction::SetTrue);
        let command = Filters::augment_args(Command::new("cp").arg(recursive));
        Filters::from_arg_matches(&command.try_get_matches_from(["cp", "--recursive"].iter().chain(typed))?)
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let admitted = |typed: &[&str]| {
            let filters = filters(typed).unwrap();
            ["a.jpg", "logs/a.jpg", "logs/b\n.txt", "c"]
                .into_iter()
                .filter(|path| filters.admit(path))
                .collect::<Vec<_>>()
        };
        assert_eq!(admitted(&[]), ["a.jpg", "logs/a.jpg", "logs/b\n.txt", "c"]);
        assert_eq!(admitted(&["--exclude", "*", "--include", "*.jpg"]), ["a.jpg", "logs/a.jpg"]);
        assert_eq!(admitted(&["--include", "*.jpg", "--exclude", "*"]), Vec::<&str>::new());
        assert_eq!(admitted(&["--exclude", "logs/*"]), ["a.jpg", "c"]);
        assert_eq!(admitted(&["--exclude", "?"]), ["a.jpg", "logs/a.jpg", "logs/b\n.txt"]);
    }

    #[test]
    fn what_is_no_pattern_is_answered_with_an_example() {
        let complaint = filters(&["--exclude", "[a"]).unwrap_err().to_string();
        assert!(complaint.contains("*.jpg"), "{complaint}");
    }
}
