//! From the parser's events to a tree.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{Node, Scalar, Value, merge, syntax};
use crate::problem::{Place, Report};

/// Deeper nesting is a mistake or an attack; later passes recurse.
const MAX_DEPTH: usize = 64;

/// What aliases may add: a file of a few lines can otherwise grow without bound ("billion laughs"). Counts nodes, a
/// long text as one per 32 bytes.
const MAX_COPIED: usize = 500_000;

/// Reads one document. What is wrong goes into the report; `None` where nothing can be made of the text.
pub(crate) fn parse(text: &str, file: usize, report: &mut Report) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(file, report);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, &span).ok()?,
            Err(error) => {
                syntax::explain(&error, text, builder.place(error.marker()), builder.report);
                return None;
            }
        }
    }
    Some(builder.root.unwrap_or_else(|| null(Place { file, line: 1, column: 1 })))
}

/// The problem is in the report and the rest of the file cannot be read.
struct Stop;

/// A complete node.
#[derive(Clone)]
struct Built {
    node: Node,
    /// What it counts against [`MAX_COPIED`].
    weight: usize,
    /// How many lists and mappings are nested in it: an alias takes them to another depth.
    depth: usize,
}

enum Open {
    List(Vec<Node>),
    /// Pairs so far, and the key that waits for its value.
    Map(Vec<(Node, Node)>, Option<Node>),
}

struct Frame {
    place: Place,
    anchor: usize,
    weight: usize,
    /// Of the deepest node so far.
    depth: usize,
    open: Open,
}

struct Builder<'r> {
    file: usize,
    report: &'r mut Report,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    copied: usize,
    documents: usize,
    root: Option<Node>,
}

impl<'r> Builder<'r> {
    fn new(file: usize, report: &'r mut Report) -> Self {
        let (stack, anchors) = (Vec::new(), HashMap::new());
        Self { file, report, stack, anchors, copied: 0, documents: 0, root: None }
    }

    fn place(&self, marker: &saphyr_parser::Marker) -> Place {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Place { file: self.file, line: number(marker.line()).max(1), column: number(marker.col() + 1) }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
        let place = self.place(&span.start);
        match event {
            Event::DocumentStart(_) => self.document(place),
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(place, text, style, tag.as_deref());
                let weight = 1 + text_weight(&node);
                self.finish(Built { node, weight, depth: 0 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(place, anchor, tag.as_deref(), Open::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.open(place, anchor, tag.as_deref(), Open::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(place, anchor),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, place: Place) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents < 2 {
            return Ok(());
        }
        let what = "a second YAML document begins here; only one is read";
        self.report.error(
            place,
            "",
            what,
            "one document, without `---` inside; use `include` for more files",
        );
        Err(Stop)
    }

    fn scalar(&mut self, place: Place, text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Node {
        let mut plain = style == ScalarStyle::Plain;
        match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
            None => {}
            Some((true, "str")) => plain = false,
            Some((true, "int" | "float" | "bool" | "null")) => plain = true,
            Some(_) => self.refuse_tag(place, tag),
        }
        Node { place, value: Value::Scalar(Scalar { text: text.into_owned(), plain }) }
    }

    fn refuse_tag(&mut self, place: Place, tag: Option<&Tag>) {
        let tag = tag.map(ToString::to_string).unwrap_or_default();
        let remedy =
            "the value without a tag; `os.environ/NAME` for a variable, `include: [file]` for a file";
        self.report.error(place, "", format!("the tag `{tag}` means nothing here"), remedy);
    }

    fn open(&mut self, place: Place, anchor: usize, tag: Option<&Tag>, open: Open) -> Result<(), Stop> {
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq")))
        {
            self.refuse_tag(place, tag);
        }
        self.check_depth(place, 1)?;
        self.stack.push(Frame { place, anchor, weight: 1, depth: 0, open });
        Ok(())
    }

    fn check_depth(&mut self, place: Place, more: usize) -> Result<(), Stop> {
        if self.stack.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        let what = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
        self.report.error(place, "", what, "a flatter structure; check for a bracket that is never closed");
        Err(Stop)
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Frame { place, anchor, weight, depth, open }) = self.stack.pop() else { return Ok(()) };
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Map(pairs, _) => Value::Map(merge::mapping(pairs, self.report)),
        };
        self.finish(Built { node: Node { place, value }, weight, depth: depth + 1 }, anchor)
    }

    fn alias(&mut self, place: Place, anchor: usize) -> Result<(), Stop> {
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            let what = "this alias (`*name`) stands inside the value that its anchor (`&name`) names";
            self.report.error(
                place,
                "",
                what,
                "the value itself, or an alias of an anchor that is complete above",
            );
            return Err(Stop);
        };
        self.copied = self.copied.saturating_add(built.weight);
        if self.copied > MAX_COPIED {
            let what = format!("aliases make this file grow to more than {MAX_COPIED} values");
            self.report.error(place, "", what, "the values themselves instead of aliases of aliases");
            return Err(Stop);
        }
        self.check_depth(place, built.depth)?;
        self.finish(built, 0)
    }

    /// Puts a complete node into its parent and, where it is anchored, aside for aliases.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Built { node, weight, depth } = built;
        let Some(parent) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.weight = parent.weight.saturating_add(weight);
        parent.depth = parent.depth.max(depth);
        match &mut parent.open {
            Open::List(items) => items.push(node),
            Open::Map(pairs, waiting) => match waiting.take() {
                Some(key) => pairs.push((key, node)),
                None => *waiting = Some(node),
            },
        }
        Ok(())
    }
}

fn text_weight(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.len() / 32,
        Value::List(_) | Value::Map(_) => 0,
    }
}

fn null(place: Place) -> Node {
    Node { place, value: Value::Scalar(Scalar { text: String::new(), plain: true }) }
}
