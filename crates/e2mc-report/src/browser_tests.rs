//! What only a browser can tell: nothing is cut off, nothing overlaps, the values follow the keys,
//! the console stays silent and nothing is asked for from anywhere.
//!
//! Needs Chromium or Chrome on the path, and says so where there is none.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sample;
use crate::text::escape;

const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Runs in the page before everything else and remembers what goes wrong.
const WITNESS: &str = r#"<script>
const problems = [];
addEventListener('error', (event) => problems.push(`error: ${event.message ?? 'a part does not load'}`), true);
addEventListener('unhandledrejection', (event) => problems.push(`rejection: ${event.reason}`));
addEventListener('securitypolicyviolation', (event) => problems.push(`policy: ${event.blockedURI}`));
for (const level of ['error', 'warn']) {
  const say = console[level].bind(console);
  console[level] = (...words) => { problems.push(`${level}: ${words.join(' ')}`); say(...words); };
}
</script>"#;

/// Runs in the page after everything else and writes its complaints into the page.
const PROBE: &str = r#"<script>
const complaints = [];
const width = innerWidth;
if (document.documentElement.scrollWidth > document.documentElement.clientWidth) complaints.push('the page scrolls sideways');
for (const panel of document.querySelectorAll('.panel')) {
  const name = panel.querySelector('h4').textContent;
  const frame = panel.getBoundingClientRect();
  const svg = panel.querySelector(':scope > svg');
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  if (0.85 > scale) complaints.push(`${name} is drawn ${scale} times as large as meant`);
  const texts = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
  for (const [words, box] of texts) {
    if (box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom) {
      complaints.push(`${name}: "${words}" leaves its panel`);
    }
  }
  for (const label of svg.querySelectorAll('text.halo')) {
    const box = label.getBBox();
    for (const line of svg.querySelectorAll('path.line:not(.raw)')) {
      const length = line.getTotalLength();
      for (let i = 0; 600 > i; i += 1) {
        const { x, y } = line.getPointAtLength(length * i / 600);
        const across = x > box.x + 1 ? box.x + box.width - 1 > x : false;
        const down = y > box.y + 3 ? box.y + box.height - 3 > y : false;
        if (across ? down : false) { complaints.push(`${name}: a line crosses "${label.textContent}"`); break; }
      }
    }
  }
  texts.forEach(([a, first], i) => texts.slice(i + 1).forEach(([b, second]) => {
    const across = Math.min(first.right, second.right) - Math.max(first.left, second.left);
    const down = Math.min(first.bottom, second.bottom) - Math.max(first.top, second.top);
    if (across > 1) if (down > 4) complaints.push(`${name}: "${a}" and "${b}" overlap`);
  }));
}
let followed = 0;
for (const figure of document.querySelectorAll('figure.lines, figure.histograms, figure.scatters, figure.heat')) {
  const places = () => [...figure.querySelectorAll('.readout .at')].map((at) => at.textContent);
  const before = places();
  const drawing = figure.querySelector('.panel > svg');
  drawing.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
  drawing.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
  const after = places();
  if (new Set(after).size !== 1 || after[0] === before[0]) complaints.push(`readouts do not follow: ${after}`);
  drawing.dispatchEvent(new Event('blur'));
  if (places().join() !== before.join()) complaints.push('readouts do not return');
  followed += 1;
}
complaints.push(...problems);
complaints.push(...performance.getEntriesByType('resource').map((entry) => `asks for ${entry.name}`));
const cell = [...document.querySelectorAll('tbody tr')].find((row) => row.cells[0].textContent === 'base loss + E2MC');
const known = cell.cells[2].textContent;
const colour = getComputedStyle(document.body).backgroundColor;
const result = document.createElement('pre');
result.id = 'probe';
result.textContent = JSON.stringify({ width, colour, followed, known, complaints });
document.body.append(result);
</script>
</body>"#;

/// A started browser, ended when dropped.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the first browser that is installed; `scheme` is 0 for dark and 1 for light.
fn start(page: &Path, dom: &Path, profile: &Path, scheme: u32) -> Option<Browser> {
    for name in BROWSERS {
        let process = Command::new(name)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-sync",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--dump-dom",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("--window-size=1400,1000")
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(fs::File::create(dom).expect("a temporary file"))
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => return Some(Browser(process)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("{name} does not start: {error}"),
        }
    }
    None
}

/// What the probe found in the page at `width` pixels; `None` without a browser.
fn probe(width: u32, scheme: u32) -> Option<String> {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let (page, dom) = (
        profile.path().join("page.html"),
        profile.path().join("dom.html"),
    );
    // Windows have a least width, frames have none.
    let html = sample::report().to_html();
    let html = escape(
        &html
            .replacen("<head>", &format!("<head>{WITNESS}"), 1)
            .replace("</body>", PROBE),
    );
    let frame = format!(
        "<!DOCTYPE html><html style=\"color-scheme: light dark\"><body>\
         <iframe style=\"width: {width}px; height: 900px; border: 0\" srcdoc=\"{html}\" \
         onload=\"document.body.append(this.contentDocument.getElementById('probe'))\"></iframe></body></html>"
    );
    fs::write(&page, frame).expect("the page");
    let mut browser = start(&page, &dom, profile.path(), scheme)?;
    let deadline = Instant::now() + Duration::from_secs(120);
    while browser.0.try_wait().expect("a child process").is_none() {
        assert!(Instant::now() < deadline, "the browser does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let dom = fs::read_to_string(&dom).expect("what the browser wrote");
    let found = dom
        .split("<pre id=\"probe\">")
        .nth(1)
        .expect("the probe ran");
    Some(found.split("</pre>").next().unwrap_or_default().to_owned())
}

#[test]
fn the_page_works_on_phone_and_desk_and_asks_for_nothing() {
    let mut found = Vec::new();
    for (width, scheme) in [(375, 1), (1280, 0)] {
        let Some(result) = probe(width, scheme) else {
            // Past the harness, which hides what passing tests print.
            let skipped =
                "SKIPPED: the report's layout was not checked: no chromium or chrome on the path";
            writeln!(io::stderr(), "{skipped}").expect("standard error");
            return;
        };
        found.push(result);
    }
    let [phone, desk] = &found[..] else {
        panic!("{found:?}")
    };
    for (result, width) in [(phone, 375), (desk, 1280)] {
        assert!(result.contains("\"complaints\":[]"), "{result}");
        assert!(result.contains("\"followed\":5"), "{result}");
        assert!(result.contains("\"known\":\"79.34 ± 0.28\""), "{result}");
        assert!(result.contains(&format!("\"width\":{width},")), "{result}");
    }
    assert!(phone.contains("rgb(251, 251, 250)"), "light: {phone}");
    assert!(desk.contains("rgb(18, 21, 25)"), "dark: {desk}");
}
