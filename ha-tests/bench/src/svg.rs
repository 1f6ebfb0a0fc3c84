//! The chart: updates per second by clients, one line a system, both axes logarithmic.

use std::fmt::Write;

use crate::{
    bars::Figure,
    line::Line,
    report::{SYSTEMS, spread},
};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 520.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 370.0;
const CLIENTS: [usize; 4] = [1, 16, 64, 256];
const RATES: [f64; 4] = [100.0, 1_000.0, 10_000.0, 100_000.0];
const DRAWN: [(&str, &str); 5] =
    [("floor", "#888888"), ("ocs", "#c0392b"), ("postgresql", "#2471a3"), ("etcd", "#1e8449"), ("redis", "#b7950b")];

fn x(clients: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * (clients as f64).log2() / 8.0
}

fn y(rate: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * (rate.max(RATES[0]) / RATES[0]).log10() / 3.0
}

pub(crate) fn chart(lines: &[Line]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    axes(&mut svg);
    let drawn = DRAWN.iter().filter(|(system, _)| lines.iter().any(|line| line.system == *system));
    for (place, (system, colour)) in drawn.enumerate() {
        curve(&mut svg, lines, system, colour);
        let title = SYSTEMS.iter().find(|(known, _)| known == system).map_or(*system, |(_, title)| *title);
        let at = TOP + 20.0 * place as f64;
        put(
            &mut svg,
            format_args!("<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{title}</text>", RIGHT + 15.0, at + 10.0),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn put(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    writeln!(svg, "{piece}").expect("a string takes everything");
}

fn axes(svg: &mut String) {
    for rate in RATES {
        let at = y(rate);
        put(svg, format_args!("<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#dddddd\"/>"));
        put(svg, format_args!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{rate}</text>", LEFT - 8.0, at + 4.0));
    }
    for clients in CLIENTS {
        let at = x(clients);
        put(svg, format_args!("<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#dddddd\"/>"));
        put(svg, format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{clients}</text>", BOTTOM + 18.0));
    }
    let middle = (LEFT + RIGHT) / 2.0;
    put(svg, format_args!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">clients</text>", BOTTOM + 38.0));
    put(svg, format_args!("<text x=\"{LEFT}\" y=\"18\">updates/s, median and range</text>"));
}

fn curve(svg: &mut String, lines: &[Line], system: &str, colour: &str) {
    let mut points = String::new();
    for clients in CLIENTS {
        let Some(rate) = spread(lines, system, clients, Figure::Rate) else { continue };
        let at = x(clients);
        points.push_str(&format!("{at:.1},{:.1} ", y(rate.median)));
        let (least, most) = (y(rate.least), y(rate.most));
        put(
            svg,
            format_args!(
                "<path d=\"M{at:.1} {least:.1}V{most:.1}\" stroke=\"{colour}\" stroke-width=\"4\" opacity=\"0.4\"/>"
            ),
        );
    }
    put(
        svg,
        format_args!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", points.trim()),
    );
}
