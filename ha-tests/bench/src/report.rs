//! The page: every bar with its verdict, every system with its figures, and the method.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use crate::{
    Failure,
    bars::{BARS, Bar, Figure, Spread},
    line::Line,
    svg,
};

/// In the order of the page; a system that did not run is left out.
pub(crate) const SYSTEMS: [(&str, &str); 8] = [
    ("floor", "floor: two logs, no consensus"),
    ("ocs", "ocs, at the primary's HTTP Proxy"),
    ("ocs-backup", "ocs, at the backup's HTTP Proxy"),
    ("postgresql", "PostgreSQL, synchronous standby"),
    ("etcd", "etcd, 3 members"),
    ("redis", "Redis, AOF always, WAIT 1 (one disk)"),
    ("axum", "bare axum, constant answer"),
    ("ocs-get", "ocs, GET /records/<handle> at the primary"),
];

pub(crate) fn write(lines: &Path, about: &Path, out: &Path) -> Result<(), Failure> {
    let lines: Vec<Line> = fs::read_to_string(lines)?.lines().map(str::parse).collect::<Result<_, _>>()?;
    let chart = out.with_extension("svg");
    let chart_name = chart.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(out, page(&lines, &fs::read_to_string(about)?, &chart_name)?)?;
    fs::write(&chart, svg::chart(&lines))?;
    Ok(())
}

fn page(lines: &[Line], about: &str, chart: &str) -> Result<String, Failure> {
    let mut page = String::from("# Benchmark\n\n");
    writeln!(page, "{}\n\n![updates per second by clients]({chart})\n\n## Bars\n", about.trim())?;
    page.push_str("A ratio is the median of the ratios of the rounds; in brackets its range. A range that spans a bar is not decided.\n\n");
    page.push_str("| clients | figure | ratio | must | reach for |\n| --- | --- | --- | --- | --- |\n");
    BARS.iter().try_for_each(|bar| writeln!(page, "{}", bar_row(bar, lines)))?;
    page.push_str("\n## Figures\n\nMedian of the rounds, range in brackets; p50 and p99 are medians of the rounds' own, in ms.\n\n");
    page.push_str("| system | clients | per second | p50 | p99 | errors |\n| --- | --- | --- | --- | --- | --- |\n");
    for (system, title) in SYSTEMS {
        let clients: BTreeSet<usize> = of(lines, system).map(|line| line.clients).collect();
        clients.into_iter().try_for_each(|clients| writeln!(page, "{}", row(lines, system, title, clients)))?;
    }
    Ok(page)
}

fn of<'a>(lines: &'a [Line], system: &'a str) -> impl Iterator<Item = &'a Line> {
    lines.iter().filter(move |line| line.system == system)
}

/// A figure of a system over the rounds.
pub(crate) fn spread(lines: &[Line], system: &str, clients: usize, figure: Figure) -> Option<Spread> {
    let mine = of(lines, system).filter(|line| line.clients == clients);
    Spread::of(mine.map(|line| figure.of(line)).collect())
}

fn row(lines: &[Line], system: &str, title: &str, clients: usize) -> String {
    let at = |figure| spread(lines, system, clients, figure);
    let errors: u64 = of(lines, system).filter(|line| line.clients == clients).map(|line| line.errors).sum();
    let rate = at(Figure::Rate)
        .map_or_else(String::new, |rate| format!("{:.0} ({:.0}–{:.0})", rate.median, rate.least, rate.most));
    let ms = |figure| at(figure).map_or_else(String::new, |ms| format!("{:.2}", ms.median));
    format!("| {title} | {clients} | {rate} | {} | {} | {errors} |", ms(Figure::P50), ms(Figure::P99))
}

fn bar_row(bar: &Bar, lines: &[Line]) -> String {
    let what = match bar.figure {
        Figure::Rate => format!("{} ÷ {}", bar.ours, bar.theirs),
        Figure::P50 => format!("p50, {} ÷ {}", bar.ours, bar.theirs),
        Figure::P99 => format!("p99, {} ÷ {}", bar.ours, bar.theirs),
    };
    let Some(ratio) = bar.ratio(lines) else {
        return format!("| {} | {what} | not measured | – | – |", bar.clients);
    };
    let sign = if bar.figure == Figure::Rate { '≥' } else { '≤' };
    let cell = |limit: Option<f64>| {
        limit.map_or_else(|| "–".to_owned(), |limit| format!("{sign} {limit}: {}", bar.verdict(ratio, limit)))
    };
    let Spread { least, median, most } = ratio;
    let (must, reach) = (cell(bar.must), cell(bar.reach));
    format!("| {} | {what} | {median:.2} ({least:.2}–{most:.2}) | {must} | {reach} |", bar.clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_bar_and_for_each_system_that_ran() {
        let lines: Vec<Line> = ["ocs\t64\t1\t900.0\t2.0\t9.0\t1\t0", "etcd\t64\t1\t300.0\t4.0\t18.0\t1\t0"]
            .iter()
            .map(|line| line.parse().unwrap())
            .collect();
        let page = page(&lines, "one machine", "x.svg").unwrap();
        assert!(page.contains("| 64 | ocs ÷ etcd | 3.00 (3.00–3.00) | ≥ 2: met | ≥ 4: missed |"), "{page}");
        assert!(page.contains("| 64 | p99, ocs ÷ etcd | 0.50 (0.50–0.50) | ≤ 0.7: met | ≤ 0.4: missed |"), "{page}");
        assert!(page.contains("| 64 | ocs ÷ redis | not measured | – | – |"), "{page}");
        assert!(page.contains("| etcd, 3 members | 64 | 300 (300–300) | 4.00 | 18.00 | 0 |"), "{page}");
        assert!(!page.contains("Redis"), "{page}");
    }
}
