//! The plot: small multiples, a panel for each workload, in it a bar for each target, rate and CPU time side by
//! side.
//!
//! It must be readable when nobody explains it: every bar carries its value, every panel says what it measures and
//! which way is better, and the head says on what machine and when. Bars begin at 0.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use plotters::coord::Shift;
use plotters::prelude::{
    Color, DrawingArea, FontStyle, IntoDrawingArea, IntoFont, RGBColor, Rectangle, SVGBackend, Text,
    TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::medians::{self, Median};
use crate::clock;
use crate::limit;
use crate::machine::Machine;
use crate::measurement::Unit;

/// Panels beside each other.
const COLUMNS: usize = 3;
/// Everything that follows is in pixels.
const PANEL_WIDTH: i32 = 500;
const MARGIN: i32 = 28;
const HEAD_HEIGHT: i32 = 112;
/// A panel's title, what it does, and the captions of its bars.
const TITLE_HEIGHT: i32 = 62;
const BAR_STEP: i32 = 21;
const BAR_HEIGHT: i32 = 13;
const PANEL_GAP: i32 = 30;
/// Where names end, and where the two groups of bars begin, in a panel.
const NAMES_WIDTH: i32 = 88;
const RATE_LEFT: i32 = 96;
const CPU_LEFT: i32 = 306;
/// The longest bar; its value stands behind it.
const BAR_WIDTH: i32 = 112;

const INK: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const RULE: RGBColor = RGBColor(222, 226, 230);
/// The first target, which the others are held against.
const OURS: RGBColor = RGBColor(11, 114, 133);
/// What the machine itself could do.
const LIMIT: RGBColor = RGBColor(206, 212, 218);
/// The others, in order.
const OTHERS: [RGBColor; 5] = [
    RGBColor(230, 159, 80),
    RGBColor(199, 109, 88),
    RGBColor(134, 142, 150),
    RGBColor(132, 111, 171),
    RGBColor(148, 168, 90),
];

/// How strong a text is.
#[derive(Clone, Copy)]
enum Ink {
    Dark,
    Faint,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture of `medians` as the text of an SVG file.
///
/// # Errors
/// There is nothing to draw.
pub(super) fn of(medians: &[Median<'_>], machine: Option<&Machine>) -> Result<String> {
    ensure!(!medians.is_empty(), "nothing was measured");
    let (targets, workloads) = (medians::targets(medians), medians::workloads(medians));
    let panels: Vec<Vec<&Median<'_>>> = workloads
        .into_iter()
        .map(|workload| medians.iter().filter(|median| median.workload == workload).collect())
        .collect();
    // A row is as high as its fullest panel asks for.
    let rows: Vec<(i32, &[Vec<&Median<'_>>])> = panels
        .chunks(COLUMNS)
        .map(|row| {
            (TITLE_HEIGHT + BAR_STEP * length(row.iter().map(Vec::len).max().unwrap_or(0)) + PANEL_GAP, row)
        })
        .collect();
    let width = MARGIN + length(COLUMNS) * (PANEL_WIDTH + MARGIN);
    let height = HEAD_HEIGHT + rows.iter().map(|(height, _)| height).sum::<i32>();
    let size = (u32::try_from(width)?, u32::try_from(height)?);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&RGBColor(255, 255, 255)).context("fill the picture")?;
        head(&area, &targets, machine)?;
        let mut top = HEAD_HEIGHT;
        for (height, row) in rows {
            for (column, bars) in row.iter().enumerate() {
                panel(&area, (MARGIN + length(column) * (PANEL_WIDTH + MARGIN), top), bars, &targets)?;
            }
            top += height;
        }
        area.present().context("end the picture")?;
    }
    Ok(text)
}

fn head(area: &Area<'_>, targets: &[&str], machine: Option<&Machine>) -> Result<()> {
    let title = match targets {
        [ours, others @ ..] if !others.is_empty() => format!("{ours} beside {}", others.join(", ")),
        _ => targets.join(", "),
    };
    write(area, &title, (MARGIN, 34), &style(22, FontStyle::Bold, Ink::Dark, HPos::Left))?;
    let second = i64::try_from(clock::unix_time().as_secs()).unwrap_or_default();
    let date = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%d %H:%M UTC");
    let machine = machine.map(|machine| {
        let Machine { processor, cores, memory_mib, kernel, .. } = machine;
        let gib = memory_mib.div_ceil(1024);
        format!(" · {processor}, {cores} cores shared with the clients, {gib} GiB, Linux {kernel}")
    });
    let line = format!("{date}{}", machine.unwrap_or_default());
    let small = style(13, FontStyle::Normal, Ink::Faint, HPos::Left);
    write(area, &line, (MARGIN, 60), &small)?;
    let scale = "Each panel has its own scale; bars begin at 0; CPU time is the server's.";
    let ruler =
        "limit: the machine without a server, durable writes of the same size, and MD5 for one PUT of 1 GiB.";
    let legend = if targets.contains(&limit::NAME) { format!("{scale} {ruler}") } else { scale.to_owned() };
    write(area, &legend, (MARGIN, 80), &small)
}

/// One workload: its name, then a line for each target.
fn panel(area: &Area<'_>, (x, y): (i32, i32), bars: &[&Median<'_>], targets: &[&str]) -> Result<()> {
    let Some(first) = bars.first() else { return Ok(()) };
    area.draw(&Rectangle::new([(x, y), (x + PANEL_WIDTH, y + 1)], RULE.filled())).context("draw a rule")?;
    write(area, first.workload, (x, y + 17), &style(15, FontStyle::Bold, Ink::Dark, HPos::Left))?;
    let clients =
        if first.clients == 1 { "1 client".to_owned() } else { format!("{} clients", first.clients) };
    let what = format!("{} · {clients}", first.what);
    write(area, &what, (x, y + 35), &style(12, FontStyle::Normal, Ink::Faint, HPos::Left))?;
    let caption = style(11, FontStyle::Normal, Ink::Faint, HPos::Left);
    let (rate, cpu) = match first.unit {
        Unit::Requests => ("requests a second: more is better", "CPU time a request: less is better"),
        Unit::Bytes => ("MB a second: more is better", "CPU seconds a GB: less is better"),
    };
    write(area, rate, (x + RATE_LEFT, y + 53), &caption)?;
    write(area, cpu, (x + CPU_LEFT, y + 53), &caption)?;
    let rate_max = bars.iter().map(|bar| bar.rate).fold(0.0, f64::max);
    let cpu_max = bars.iter().filter_map(|bar| bar.cpu).fold(0.0, f64::max);
    for (line, bar) in bars.iter().enumerate() {
        let top = y + TITLE_HEIGHT + BAR_STEP * length(line);
        let ours = targets.first() == Some(&bar.target);
        let weight = if ours { FontStyle::Bold } else { FontStyle::Normal };
        let middle = top + BAR_HEIGHT / 2;
        let name = style(12, weight, Ink::Dark, HPos::Right);
        write(area, bar.target, (x + NAMES_WIDTH, middle), &name)?;
        let value = style(12, weight, Ink::Dark, HPos::Left);
        let color = color(bar.target, targets);
        let end = filled(area, (x + RATE_LEFT, top), bar.rate / rate_max, color)?;
        write(area, &rate_told(bar), (end + 6, middle), &value)?;
        if let Some(cpu) = bar.cpu {
            let end = filled(area, (x + CPU_LEFT, top), cpu / cpu_max, color)?;
            write(area, &cpu_told(bar.unit, cpu), (end + 6, middle), &value)?;
        }
    }
    Ok(())
}

/// Draws a bar; where it ends.
fn filled(area: &Area<'_>, (x, y): (i32, i32), share: f64, color: RGBColor) -> Result<i32> {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let end = x + ((share * f64::from(BAR_WIDTH)).round() as i32).max(1);
    area.draw(&Rectangle::new([(x, y), (end, y + BAR_HEIGHT)], color.filled())).context("draw a bar")?;
    Ok(end)
}

fn color(target: &str, targets: &[&str]) -> RGBColor {
    if target == limit::NAME {
        return LIMIT;
    }
    match targets.iter().position(|name| *name == target) {
        Some(0) | None => OURS,
        Some(place) => OTHERS.get((place - 1) % OTHERS.len()).copied().unwrap_or(FAINT),
    }
}

fn style(size: i32, weight: FontStyle, ink: Ink, side: HPos) -> TextStyle<'static> {
    let color = match ink {
        Ink::Dark => &INK,
        Ink::Faint => &FAINT,
    };
    let font = ("Helvetica, Arial, sans-serif", size).into_font().style(weight);
    TextStyle::from(font).color(color).pos(Pos::new(side, VPos::Center))
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), style: &TextStyle<'_>) -> Result<()> {
    area.draw(&Text::new(text, at, style.clone())).context("write a text")
}

fn rate_told(bar: &Median<'_>) -> String {
    match bar.unit {
        Unit::Requests if bar.rate < 10.0 => format!("{:.2}", bar.rate),
        _ => grouped(bar.rate),
    }
}

/// CPU seconds for a GB, or for 1,000 requests, in the unit that can be read best.
fn cpu_told(unit: Unit, cpu: f64) -> String {
    match unit {
        Unit::Bytes => format!("{cpu:.2} s"),
        // Seconds for 1,000 requests are milliseconds for one.
        Unit::Requests if cpu >= 1.0 => format!("{cpu:.1} ms"),
        Unit::Requests => format!("{:.0} µs", cpu * 1e3),
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things on a picture, which are few.
fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_read_them() {
        assert_eq!(
            (grouped(7.4), grouped(1_482.0), grouped(1_234_567.0)),
            ("7".to_owned(), "1,482".to_owned(), "1,234,567".to_owned())
        );
        assert_eq!(cpu_told(Unit::Requests, 0.0789), "79 µs");
        assert_eq!(cpu_told(Unit::Requests, 8.44), "8.4 ms");
        assert_eq!(cpu_told(Unit::Bytes, 1.234), "1.23 s");
    }

    #[test]
    fn every_bar_has_its_value_and_every_panel_its_name() {
        let median = |workload, target, rate, cpu| Median {
            workload,
            what: "it <does>",
            target,
            clients: 8,
            unit: Unit::Requests,
            rate,
            cpu: Some(cpu),
        };
        let svg =
            of(&[median("put", "ours", 12_345.0, 0.08), median("put", "nginx", 678.0, 2.5)], None).unwrap();
        for text in
            ["put", "it &lt;does&gt; · 8 clients", "ours", "nginx", "12,345", "678", "80 µs", "2.5 ms"]
        {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(of(&[], None).is_err());
    }
}
