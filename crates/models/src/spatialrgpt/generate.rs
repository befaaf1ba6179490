//! Greedy decoding: the likeliest token, one after the other, until the model stops. On a processor an answer that is expected
//! is read at once and made as far as it holds; what comes out is the same.

use tch::{Kind, Tensor};

use super::draft::{Draft, Following, MOST_NODES};
use super::llama::Cache;
use super::model::{Features, SpatialRgpt};
use super::odds::Odds;
use super::rows::{Node, Prefix, RowDecoder, Sequence};
use crate::error::Result;
use crate::nn::team::Team;
use crate::nn::threads;
use crate::nn::torch::{TchResult, torch_error};

/// From one frame to the next it is the last digits of a number that change.
const CHANGING_DIGITS: usize = 2;

/// One prompt to continue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// What the vision half made of its frame.
    pub features: &'a Features,
    /// Token ids, with the image's placeholder.
    pub ids: &'a [i64],
    /// Regions in the order in which the prompt names them.
    pub mentions: &'a [usize],
}

/// When to stop.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// At most this many new tokens.
    pub max_new_tokens: usize,
    /// Tokens after which nothing follows. They are part of the output.
    pub stop_ids: Vec<i64>,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Generated {
    /// Its tokens.
    pub ids: Vec<i64>,
    /// The probability that the model gave each of them.
    pub probabilities: Vec<f32>,
    /// For each of them the likeliest others, with their probabilities.
    pub alternatives: Vec<Vec<(i64, f32)>>,
    /// It stopped by itself, rather than at the limit.
    pub stopped: bool,
    /// How often the decoder was run after the prompt.
    pub passes: usize,
}

impl Generated {
    /// The next token, chosen by `odds`, or `forced` for a benchmark.
    fn push(&mut self, odds: Odds, forced: Option<i64>, limits: &Limits) -> i64 {
        let Odds {
            id,
            probability,
            alternatives,
        } = odds;
        let id = forced.unwrap_or(id);
        self.ids.push(id);
        self.probabilities.push(probability);
        self.alternatives.push(alternatives);
        self.stopped = limits.stop_ids.contains(&id);
        id
    }
}

/// Sees the logits (B, V) of every step.
pub(super) type Observer<'a> = &'a mut dyn FnMut(&Tensor);

/// How an answer is made beyond what the model says.
#[derive(Default)]
pub(super) struct Guide<'a> {
    /// What is expected.
    pub draft: Option<&'a Draft>,
    /// The ids that the prompt begins with, as others do.
    pub prefix: &'a [i64],
    /// The tokens that are taken for the model's choices, whatever it says: those that a benchmark compares by.
    pub script: Option<&'a [i64]>,
    /// Collects what each layer of the language model makes of the prompt's last position.
    pub hidden: Option<&'a mut Vec<Tensor>>,
    pub observer: Option<Observer<'a>>,
}

impl Guide<'_> {
    /// What stands at this place of the script.
    fn forced(&self, at: usize) -> Option<i64> {
        self.script.and_then(|script| script.get(at).copied())
    }

    fn show(&mut self, logits: &Tensor) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer(logits);
        }
    }
}

impl SpatialRgpt {
    /// Continues every prompt. Prompts of one length are read together, which costs little more than one. An answer drafts the
    /// next one, and `draft` the first: in the end it is what comes next.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn generate(
        &self,
        requests: &[Request],
        limits: &Limits,
        draft: &mut Draft,
    ) -> Result<Vec<Generated>> {
        threads::settle();
        let mut answers: Vec<Generated> = vec![Generated::default(); requests.len()];
        let embeds = requests
            .iter()
            .map(|request| {
                tch::no_grad(|| self.splice(request.ids, request.features, request.mentions))
                    .map_err(torch_error("read the prompt"))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut todo: Vec<usize> = (0..requests.len()).collect();
        while let Some(&first) = todo.first() {
            let length = embeds[first].size()[1];
            let (group, rest) = todo
                .into_iter()
                .partition(|&i| embeds[i].size()[1] == length);
            todo = rest;
            let group: Vec<usize> = group;
            let batch: Vec<&Tensor> = group.iter().map(|&i| &embeds[i]).collect();
            let generated = tch::no_grad(|| {
                let prompts = Tensor::f_cat(&batch, 0)?;
                let mut prefixes = group.iter().map(|&i| self.before_frame(requests[i].ids));
                let prefix = prefixes
                    .next()
                    .filter(|first| prefixes.all(|it| it == *first));
                let prefix = prefix.unwrap_or_default();
                self.continue_prompts(&prompts, prefix, limits, draft)
            });
            let generated = generated.map_err(torch_error("generate the answer"))?;
            for (i, answer) in group.into_iter().zip(generated) {
                answers[i] = answer;
            }
        }
        Ok(answers)
    }

    /// Embeddings of prompts (B, T, C) -> their continuations.
    fn continue_prompts(
        &self,
        prompts: &Tensor,
        prefix: &[i64],
        limits: &Limits,
        draft: &mut Draft,
    ) -> TchResult<Vec<Generated>> {
        let (batch, ..) = prompts.size3()?;
        // By rows, prompts gain nothing from each other, and what was read of one is let go before the next is.
        let together = match self.is_by_rows()? {
            true => 1,
            false => batch,
        };
        let mut answers = Vec::with_capacity(batch as usize);
        for first in (0..batch).step_by(together as usize) {
            let prompts = prompts.f_narrow(0, first, together)?;
            answers.extend(self.continue_together(&prompts, prefix, limits, draft)?);
        }
        Ok(answers)
    }

    /// Embeddings of prompts that are read at once (B, T, C) -> their continuations.
    fn continue_together(
        &self,
        prompts: &Tensor,
        prefix: &[i64],
        limits: &Limits,
        draft: &mut Draft,
    ) -> TchResult<Vec<Generated>> {
        let (batch, ..) = prompts.size3()?;
        let Some(mut begun) = self.begin(prompts, prefix, limits, None)? else {
            return Ok(vec![Generated::default(); batch as usize]);
        };
        let Some(rows) = self.rows()? else {
            return self.step_by_step(begun, limits, &mut Guide::default());
        };
        let _team = Team::gather(&self.crew);
        let mut answers = Vec::with_capacity(batch as usize);
        for row in 0..batch {
            let guide = &mut Guide {
                draft: Some(draft),
                ..Guide::default()
            };
            let answer = self.in_rows(rows, &mut begun, row, limits, guide)?;
            *draft = self.expect(&answer);
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Embeddings of one prompt (1, T, C) -> its continuation.
    pub(super) fn continue_prompt(
        &self,
        prompt: &Tensor,
        limits: &Limits,
        mut guide: Guide,
    ) -> TchResult<Generated> {
        let hidden = guide.hidden.take();
        let Some(mut begun) = self.begin(prompt, guide.prefix, limits, hidden)? else {
            return Ok(Generated::default());
        };
        match self.rows()? {
            Some(rows) => {
                let _team = Team::gather(&self.crew);
                self.in_rows(rows, &mut begun, 0, limits, &mut guide)
            }
            None => {
                let answers = self.step_by_step(begun, limits, &mut guide)?;
                Ok(answers.into_iter().next().unwrap_or_default())
            }
        }
    }

    /// Whether prompts are read by rows, one by one.
    fn is_by_rows(&self) -> TchResult<bool> {
        Ok(self.llm.is_for_rows() && self.rows()?.is_some())
    }

    /// Reads prompts (B, T, C), of which there is one where they are read by rows; `None` where no token may follow.
    fn begin(
        &self,
        prompts: &Tensor,
        prefix: &[i64],
        limits: &Limits,
        hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Option<Begun>> {
        let (_, length, _) = prompts.size3()?;
        let room =
            (self.config.llm.max_positions() - length).clamp(0, limits.max_new_tokens as i64);
        if room == 0 {
            return Ok(None);
        }
        let room = room as usize;
        let begun = match self.rows()? {
            Some(rows) if self.llm.is_for_rows() => {
                let prompt = prompts.f_squeeze_dim(0)?; // (T, C)
                self.begin_by_rows(rows, &prompt, prefix, room, hidden)
            }
            _ => self.begin_by_libtorch(prompts, room, hidden),
        };
        begun.map(Some)
    }

    fn begin_by_libtorch(
        &self,
        prompts: &Tensor,
        room: usize,
        hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Begun> {
        let (batch, length, _) = prompts.size3()?;
        let mut cache = self.llm.cache(batch, length + room as i64)?;
        let logits = self.llm.forward(prompts, &mut cache, hidden)?; // (B, V)
        Ok(Begun {
            read: Read::Cache(cache),
            logits,
            room,
        })
    }

    fn begin_by_rows(
        &self,
        rows: &RowDecoder,
        prompt: &Tensor,
        prefix: &[i64],
        room: usize,
        hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Begun> {
        let (length, _) = prompt.size2()?;
        let _team = Team::gather(&self.crew);
        let room_in_all = length as usize + room + MOST_NODES + 1;
        let (mut sequence, read) = match prefix.len() as i64 {
            read if read > 0 && read < length => {
                let beginning = prompt.f_narrow(0, 0, read)?;
                (
                    self.begun_with(rows, prefix, &beginning, room_in_all)?,
                    read,
                )
            }
            _ => (rows.sequence(room_in_all), 0),
        };
        let rest = prompt.f_narrow(0, read, length - read)?;
        let logits = rows.read(&mut sequence, &rest, hidden)?;
        Ok(Begun {
            read: Read::Rows(sequence),
            logits: Tensor::f_from_slice(&logits)?.f_unsqueeze(0)?,
            room,
        })
    }

    /// A sequence of which these ids, embedded (T, C), are read, as they often were before.
    fn begun_with(
        &self,
        rows: &RowDecoder,
        ids: &[i64],
        embeds: &Tensor,
        room: usize,
    ) -> TchResult<Sequence> {
        let mut prefix = self.prefix.borrow_mut();
        if let Some(prefix) = prefix.as_ref().filter(|prefix| prefix.ids == ids) {
            return Ok(prefix.read.with_room(room));
        }
        let mut read = rows.sequence(ids.len());
        rows.read(&mut read, embeds, None)?;
        let begun = read.with_room(room);
        *prefix = Some(Prefix {
            ids: ids.to_vec(),
            read,
        });
        Ok(begun)
    }

    /// An answer as far as its draft holds in each pass.
    fn in_rows(
        &self,
        rows: &RowDecoder,
        begun: &mut Begun,
        row: i64,
        limits: &Limits,
        guide: &mut Guide,
    ) -> TchResult<Generated> {
        let mut answer = Generated::default();
        let logits = begun.logits.f_narrow(0, row, 1)?; // (1, V)
        guide.show(&logits);
        let logits = Vec::<f32>::try_from(logits.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
        let mut following = guide.draft.map(Following::new).unwrap_or_default();
        let mut last = answer.push(Odds::of(&logits), guide.forced(0), limits);
        following.wrote(last, |id| self.is_digit(id));
        let mut of_cache;
        let sequence = match &mut begun.read {
            Read::Rows(sequence) => sequence,
            Read::Cache(cache) => {
                of_cache = Sequence::new(cache, row, begun.room + MOST_NODES + 1)?;
                &mut of_cache
            }
        };
        while !answer.stopped && answer.ids.len() < begun.room {
            let mut nodes = vec![Node {
                token: last,
                parent: None,
            }];
            nodes.extend(following.nodes(begun.room - answer.ids.len()));
            let logits = rows.forward(sequence, &nodes)?; // (N, V)
            answer.passes += 1;
            let vocabulary = logits.len() / nodes.len();
            let (mut at, mut path) = (0, vec![0]);
            loop {
                let logits = &logits[at * vocabulary..][..vocabulary];
                if guide.observer.is_some() {
                    let shown = Tensor::f_from_slice(logits)?.f_unsqueeze(0)?;
                    guide.show(&shown.f_to_kind(begun.logits.kind())?);
                }
                let forced = guide.forced(answer.ids.len());
                last = answer.push(Odds::of(logits), forced, limits);
                following.wrote(last, |id| self.is_digit(id));
                if answer.stopped || answer.ids.len() >= begun.room {
                    break;
                }
                // What the model writes was read already where the draft has it.
                let next = nodes
                    .iter()
                    .position(|node| node.parent == Some(at) && node.token == last);
                let Some(next) = next else { break };
                at = next;
                path.push(at);
            }
            sequence.keep(&path);
        }
        Ok(answer)
    }

    /// Answers a token at a time, by libtorch: on a GPU, or of a type that is not for rows.
    fn step_by_step(
        &self,
        mut begun: Begun,
        limits: &Limits,
        guide: &mut Guide,
    ) -> TchResult<Vec<Generated>> {
        let (batch, _) = begun.logits.size2()?;
        let mut answers = vec![Generated::default(); batch as usize];
        let Read::Cache(cache) = &mut begun.read else {
            return Ok(answers);
        };
        for step in 0..begun.room {
            guide.show(&begun.logits);
            let logits = begun.logits.f_to_kind(Kind::Float)?;
            let logits = Vec::<f32>::try_from(logits.f_reshape([-1])?)?;
            let each = logits.chunks(logits.len() / answers.len().max(1));
            let mut chosen = Vec::with_capacity(answers.len());
            for (answer, logits) in answers.iter_mut().zip(each) {
                chosen.push(match answer.stopped {
                    true => answer.ids.last().copied().unwrap_or_default(),
                    false => answer.push(Odds::of(logits), guide.forced(step), limits),
                });
            }
            if step + 1 == begun.room || answers.iter().all(|answer| answer.stopped) {
                break;
            }
            let chosen = Tensor::f_from_slice(&chosen)?.f_to_device(self.placement.device)?;
            let next = self.llm.embed(&chosen.f_unsqueeze(1)?)?; // (B, 1, C)
            begun.logits = self.llm.forward(&next, cache, None)?;
            for answer in answers.iter_mut().filter(|answer| !answer.stopped) {
                answer.passes += 1;
            }
        }
        Ok(answers)
    }

    /// What an answer lets expect of the next one.
    pub(super) fn expect(&self, answer: &Generated) -> Draft {
        let behind = self.digits_behind(&answer.ids);
        Draft::new(&answer.ids, |index| {
            let digit = self
                .character(answer.ids[index])
                .and_then(|it| it.to_digit(10));
            let Some(digit) = digit.filter(|_| behind[index] < CHANGING_DIGITS) else {
                return Vec::new();
            };
            // What the model thought of, and its neighbours: distances change by little.
            let others = answer.alternatives.get(index).into_iter().flatten();
            let thought_of = others
                .map(|(other, _)| *other)
                .filter(|id| self.is_digit(*id));
            let beside = [digit.checked_sub(1), Some(digit + 1)]
                .into_iter()
                .flatten();
            let beside = beside.filter_map(|digit| char::from_digit(digit, 10));
            let beside = beside.filter_map(|digit| self.tokenizer.id_of(&digit.to_string()));
            let mut all: Vec<i64> = Vec::new();
            for other in thought_of.chain(beside) {
                if !all.contains(&other) {
                    all.push(other);
                }
            }
            all
        })
    }

    /// How many more digits of its number stand behind each digit.
    fn digits_behind(&self, ids: &[i64]) -> Vec<usize> {
        let mut counts = vec![0; ids.len()];
        let mut behind = 0;
        for (index, id) in ids.iter().enumerate().rev() {
            counts[index] = behind;
            behind = match self.character(*id) {
                Some(digit) if digit.is_ascii_digit() => behind + 1,
                Some('.') => behind,
                _ => 0,
            };
        }
        counts
    }

    fn is_digit(&self, id: i64) -> bool {
        self.character(id).is_some_and(|it| it.is_ascii_digit())
    }

    /// The character that a token is, if it is one; asked again and again of a few of them.
    fn character(&self, id: i64) -> Option<char> {
        let character = || {
            let text = self.tokenizer.decode(&[id]).ok()?;
            let mut characters = text.trim().chars();
            characters.next().filter(|_| characters.next().is_none())
        };
        *(self.characters.borrow_mut().entry(id)).or_insert_with(character)
    }
}

/// Prompts that were read.
struct Begun {
    read: Read,
    /// Of the first token: (B, V).
    logits: Tensor,
    /// So many tokens may follow.
    room: usize,
}

/// What stands of them for the tokens that follow.
enum Read {
    Cache(Cache),
    /// Of one prompt.
    Rows(Sequence),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::super::model::Forms;
    use crate::nn::panels::Bits;
    use crate::nn::weights::LinearForm;

    use super::*;
    use crate::nn::weights::Placement;

    const LIMITS: Limits = Limits {
        max_new_tokens: 20,
        stop_ids: Vec::new(),
    };

    fn placement(kind: Kind) -> Placement {
        let device = Device::Cpu;
        Placement { kind, device }
    }

    fn network(name: &str, kind: Kind) -> SpatialRgpt {
        network_as(name, kind, Forms::exact(placement(kind)).llm)
    }

    /// A fixture whose language model has its weights in this form.
    fn network_as(name: &str, kind: Kind, llm: LinearForm) -> SpatialRgpt {
        let fixtures =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/spatialrgpt");
        let forms = Forms {
            llm,
            vision_tower: LinearForm::Tensor,
            region_extractor: LinearForm::Tensor,
        };
        SpatialRgpt::load(&fixtures.join(name), placement(kind), forms).unwrap()
    }

    fn prompts(network: &SpatialRgpt, count: i64) -> Tensor {
        let ids = Tensor::randint(
            network.tokenizer.len() as i64,
            [count, 37],
            (Kind::Int64, Device::Cpu),
        );
        network.llm.embed(&ids).unwrap()
    }

    fn answer(network: &SpatialRgpt, prompt: &Tensor, draft: Option<&Draft>) -> Generated {
        let guide = Guide {
            draft,
            ..Guide::default()
        };
        let answer = || network.continue_prompt(prompt, &LIMITS, guide);
        tch::no_grad(answer).unwrap()
    }

    /// Drafts that hold for all, some and none of an answer, and ones that are longer and shorter.
    fn drafts(ids: &[i64]) -> Vec<Draft> {
        let changed = |every: usize| -> Vec<i64> {
            let ids = ids.iter().enumerate();
            ids.map(|(index, id)| (id + i64::from(index % every == every - 1)) % 100)
                .collect()
        };
        let mut longer = ids.to_vec();
        longer.splice(5..5, [7, 8]);
        let shorter = [&ids[..3], &ids[6..]].concat();
        let beside = |ids: &[i64]| -> Vec<i64> { ids.iter().map(|id| (id + 1) % 100).collect() };
        let with_others = |expected: &[i64], others: &[i64]| {
            Draft::new(expected, |index| vec![1, others[index], 2])
        };
        [
            ids,
            &changed(2),
            &changed(5),
            &longer,
            &shorter,
            &beside(ids),
        ]
        .map(|ids| Draft::new(ids, |_| Vec::new()))
        .into_iter()
        // What is right stands beside what is expected.
        .chain([
            with_others(&beside(ids), ids),
            with_others(ids, &beside(ids)),
        ])
        .collect()
    }

    #[test]
    fn a_drafted_answer_is_the_plain_one_to_the_bit() {
        for name in ["a", "c", "clip", "identity", "linear", "siglip_resized"] {
            for (kind, form) in [
                (Kind::Float, LinearForm::Tensor),
                (Kind::Float, LinearForm::Panels),
                (Kind::BFloat16, LinearForm::Panels),
                (Kind::Float, LinearForm::Quantised(Bits::Eight)),
                (Kind::Float, LinearForm::Quantised(Bits::Four)),
            ] {
                // given
                tch::manual_seed(7);
                let network = network_as(&format!("{name}/checkpoint"), kind, form);
                assert!(network.rows().unwrap().is_some());
                let prompt = prompts(&network, 1);
                let plain = answer(&network, &prompt, None);
                assert_eq!((plain.ids.len(), plain.passes), (20, 19));
                for (number, draft) in drafts(&plain.ids).iter().enumerate() {
                    // when
                    let drafted = answer(&network, &prompt, Some(draft));
                    // then
                    let passes = drafted.passes;
                    let drafted = Generated {
                        passes: 19,
                        ..drafted
                    };
                    assert_eq!(drafted, plain, "{name} {kind:?} {form:?} draft {number}");
                    match number {
                        0 | 7 => assert_eq!(passes, 1, "what holds is read once"),
                        6 => assert_eq!(passes, 10, "every other token stands beside"),
                        _ => assert!(passes <= 19),
                    }
                }
            }
        }
    }

    #[test]
    fn steps_of_rows_are_those_of_libtorch() {
        for name in ["a", "c"] {
            // given
            tch::manual_seed(8);
            let of = |form| network_as(&format!("{name}/checkpoint"), Kind::Float, form);
            let (tensors, panels) = (of(LinearForm::Tensor), of(LinearForm::Panels));
            let prompt = prompts(&tensors, 1);
            // when
            let rows = answer(&panels, &prompt, None);
            let libtorch = tch::no_grad(|| {
                let begun = tensors.begin_by_libtorch(&prompt, 20, None)?;
                tensors.step_by_step(begun, &LIMITS, &mut Guide::default())
            });
            let libtorch = libtorch.unwrap().remove(0);
            // then
            assert_eq!(rows.ids, libtorch.ids);
            for (one, other) in rows.probabilities.iter().zip(&libtorch.probabilities) {
                assert!((one - other).abs() < 1e-4, "{one} and {other}");
            }
        }
    }

    #[test]
    fn what_prompts_begin_with_is_read_once_and_changes_no_bit() {
        // given prompts of which the first tokens are the same
        tch::manual_seed(10);
        let network = network_as("a/checkpoint", Kind::Float, LinearForm::Panels);
        let prompt = prompts(&network, 1);
        let other = Tensor::cat(
            &[
                &prompt.narrow(1, 0, 9),
                &prompts(&network, 1).narrow(1, 9, 28),
            ],
            1,
        );
        let prefix: Vec<i64> = (0..9).collect();
        for prompt in [&prompt, &other] {
            let plain = answer(&network, prompt, None);
            // when
            let guide = Guide {
                prefix: &prefix,
                ..Guide::default()
            };
            let begun = tch::no_grad(|| network.continue_prompt(prompt, &LIMITS, guide)).unwrap();
            // then
            assert_eq!(begun, plain);
            let read = network.prefix.borrow();
            assert_eq!(read.as_ref().unwrap().ids, prefix);
        }
        // and a prompt that is no longer than they are is read as it is
        let short = prompt.narrow(1, 0, 9);
        let guide = Guide {
            prefix: &prefix,
            ..Guide::default()
        };
        let begun = tch::no_grad(|| network.continue_prompt(&short, &LIMITS, guide)).unwrap();
        assert_eq!(begun, answer(&network, &short, None));
    }

    #[test]
    fn an_answer_is_the_same_alone_and_in_a_batch_and_drafts_the_next_one() {
        // given
        tch::manual_seed(9);
        let network = network("a/checkpoint", Kind::Float);
        let one = prompts(&network, 1);
        let batch = Tensor::cat(&[&one, &prompts(&network, 1), &one], 0);
        let mut draft = Draft::default();
        // when
        let together = tch::no_grad(|| network.continue_prompts(&batch, &[], &LIMITS, &mut draft));
        let together = together.unwrap();
        // then, the prompt's own numbers being libtorch's, which a batch may change by a rounding
        let alone = answer(&network, &one, None);
        for answer in [&together[0], &together[2]] {
            assert_eq!(answer.ids, alone.ids);
        }
        assert_eq!(draft, network.expect(&together[2]));
        // and a script is followed whatever the model says
        let script: Vec<i64> = (10..30).collect();
        let guide = Guide {
            draft: Some(&Draft::new(&script, |_| Vec::new())),
            script: Some(&script),
            ..Guide::default()
        };
        let scripted = tch::no_grad(|| network.continue_prompt(&one, &LIMITS, guide)).unwrap();
        assert_eq!((scripted.ids, scripted.passes), (script, 1));
    }
}
