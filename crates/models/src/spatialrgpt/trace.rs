//! Dumps what is inside the network for given inputs, under the names of the golden files, so that a
//! program of another make can be compared with it tensor by tensor. `examples/trace.rs` runs it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::generate::{Generated, Guide, Limits};
use super::model::{Features, View};
use super::reasoner::Reasoner;
use crate::error::{Error, Result};
use crate::nn::torch::{TchResult, torch_error};
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::{self, GrayImage, Mask};
use spatial_reward_core::prompt::{Conversation, Prompt};

/// One entry of the inputs' `meta.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    image: String,
    /// An 8-bit depth map, larger is nearer. Without it only the run without depth is made.
    depth: Option<String>,
    /// x_min, y_min, x_max, y_max in pixels.
    boxes: Vec<[f64; 4]>,
    turns: Vec<String>,
    /// What a benchmark takes for the model's answer.
    #[serde(default)]
    pub(super) answer: Option<String>,
}

impl Case {
    /// The cases that a folder's `meta.json` lists.
    pub(super) fn read(inputs: &Path) -> Result<Vec<Self>> {
        super::config::read_json(&inputs.join("meta.json"))
    }

    /// What is asked first.
    pub(super) fn first_turn(&self) -> Option<&str> {
        self.turns.first().map(String::as_str)
    }
}

/// `caseN.json`: what was asked and answered last, with depth (`d1`) and without (`d0`).
#[derive(Debug, Default, Serialize)]
struct Answers {
    #[serde(skip_serializing_if = "Option::is_none")]
    d1: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d0: Option<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    prompt: String,
    text: String,
    output_ids: Vec<i64>,
}

/// Tensors to write, by name.
type Tensors = Vec<(String, Tensor)>;

/// Runs every case of `inputs/meta.json`, writes `caseN.safetensors` and `caseN.json` into `out`, and
/// says how many there were. Case 0 also has every
/// layer of the vision tower. Of the tensors it writes those called one of `names`, or all where no name is given.
///
/// # Errors
/// What the inputs, the model or the file system refuse.
pub fn trace(reasoner: &Reasoner, inputs: &Path, out: &Path, names: &[String]) -> Result<usize> {
    let cases = Case::read(inputs)?;
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    for (number, case) in cases.iter().enumerate() {
        let tracer = Tracer::new(reasoner, case, inputs)?;
        let (mut tensors, answers) = tracer.run(number == 0)?;
        tensors.retain(|(name, _)| names.is_empty() || names.contains(name));
        let file = out.join(format!("case{number}.safetensors"));
        let tensors = in_float32(tensors).map_err(torch_error("keep the tensors"))?;
        Tensor::write_safetensors(&tensors, &file).map_err(torch_error("write the tensors"))?;
        let file = out.join(format!("case{number}.json"));
        let text = serde_json::to_string_pretty(&answers).map_err(|e| Error::output(&file, e))?;
        std::fs::write(&file, text).map_err(Error::io("write", &file))?;
    }
    Ok(cases.len())
}

/// A model and what it is traced on.
pub(super) struct Tracer<'a> {
    /// The model.
    pub(super) reasoner: &'a Reasoner,
    /// What is asked.
    pub(super) case: &'a Case,
    color: ColorImage,
    /// The case's relative depth, if it has one.
    pub(super) depth: Option<GrayImage>,
}

impl<'a> Tracer<'a> {
    /// Reads the pictures of a case.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub(super) fn new(reasoner: &'a Reasoner, case: &'a Case, inputs: &Path) -> Result<Self> {
        let depth = case.depth.as_ref().map(|file| inputs.join(file));
        Ok(Self {
            reasoner,
            case,
            color: imaging::open_color(&inputs.join(&case.image))?,
            depth: depth.map(|file| imaging::open_gray(&file)).transpose()?,
        })
    }

    fn run(&self, all_layers: bool) -> Result<(Tensors, Answers)> {
        let mut tensors = Tensors::new();
        let mut answers = Answers::default();
        let view = self.view(self.depth.as_ref())?;
        let processor = self.reasoner.processor();
        let masks = self.masks();
        let resampled = masks.iter().map(|mask| processor.mask_resampled(mask));
        let resampled: Vec<Mask> = resampled.collect::<Result<_, spatial_reward_core::Error>>()?;
        self.preprocessed(&view, &resampled, &mut tensors)
            .map_err(torch_error("keep the inputs"))?;
        let vision = self.vision(&view, all_layers, &mut tensors);
        vision.map_err(torch_error("encode the frame"))?;
        if view.depth.is_some() {
            answers.d1 = Some(self.conversation(&view, "d1", &mut tensors)?);
        }
        answers.d0 = Some(self.conversation(&self.view(None)?, "d0", &mut tensors)?);
        Ok((tensors, answers))
    }

    fn masks(&self) -> Vec<Mask> {
        let (width, height) = (self.color.width, self.color.height);
        let boxes = self.case.boxes.iter();
        boxes
            .map(|&[x_min, y_min, x_max, y_max]| {
                let bbox = BoundingBox::new(x_min, y_min, x_max, y_max);
                Mask::from_box(&bbox, width, height)
            })
            .collect()
    }

    /// What the model is shown.
    ///
    /// # Errors
    /// What the image processor refuses.
    pub(super) fn view(&self, depth: Option<&GrayImage>) -> Result<View> {
        self.reasoner.view(&self.color, depth, &self.masks())
    }

    fn preprocessed(
        &self,
        view: &View,
        resampled: &[Mask],
        tensors: &mut Tensors,
    ) -> TchResult<()> {
        let side = i64::from(self.reasoner.processor().side());
        let mut keep = |name: &str, values: &[f32]| {
            let tensor = Tensor::f_from_slice(values)?.f_reshape([1, 3, side, side])?;
            tensors.push((name.into(), tensor));
            TchResult::Ok(())
        };
        keep("pixel_values", &view.color)?;
        if let Some(depth) = &view.depth {
            keep("depth_values", depth)?;
        }
        for (name, masks) in [
            ("masks_all", view.masks.as_slice()),
            ("masks_eval", resampled),
        ] {
            if masks.is_empty() {
                continue;
            }
            let rows = masks.iter().map(|mask| Tensor::f_from_slice(&mask.data));
            let rows = rows.collect::<TchResult<Vec<_>>>()?;
            let stacked = Tensor::f_stack(&rows, 0)?.f_reshape([-1, side, side])?;
            tensors.push((name.into(), stacked));
        }
        Ok(())
    }

    /// Features and embeddings, before any word.
    fn vision(&self, view: &View, all_layers: bool, tensors: &mut Tensors) -> TchResult<()> {
        let model = self.reasoner.model();
        let mut hidden = Vec::new();
        let views = std::slice::from_ref(view);
        let features = tch::no_grad(|| model.tower_features(views, Some(&mut hidden)))?;
        let refinement = tch::no_grad(|| model.refined(&features))?;
        if all_layers {
            for (layer, hidden) in hidden.iter().enumerate() {
                // The depth picture's row follows the colour picture's.
                tensors.push((format!("vision_hidden_{layer}"), hidden.f_narrow(0, 0, 1)?));
            }
        }
        tensors.push(("tower_features".into(), features.color.shallow_clone()));
        if let Some(Some(depth)) = features.depth.first() {
            tensors.push(("depth_tower_features".into(), depth.f_unsqueeze(0)?));
        }
        if let Some(refined) = &refinement.refined {
            tensors.push(("hres_features".into(), refined.rows()?));
        }
        tensors.push((
            "lres_features".into(),
            refinement.lres_features.shallow_clone(),
        ));
        tensors.push((
            "image_features".into(),
            refinement.image_features.shallow_clone(),
        ));
        Ok(())
    }

    /// All turns; the last one's tensors and answer are kept.
    fn conversation(&self, view: &View, prefix: &str, tensors: &mut Tensors) -> Result<Answer> {
        let features = self.reasoner.encode(std::slice::from_ref(view))?;
        let features = features
            .first()
            .ok_or_else(|| Error::torch("encode the frame", "it gave nothing for one picture"))?;
        let depth = view.depth.is_some();
        let template = self.reasoner.template();
        let mut conversation = Conversation::new(template, depth, view.masks.len());
        let mut last = None;
        for turn in &self.case.turns {
            let prompt = conversation.ask(turn)?;
            let mut turn = Turn::new(prefix, &prompt);
            let generated = turn.run(self.reasoner, features)?;
            let output_ids = generated.ids.clone();
            let said = self.reasoner.decode(generated)?;
            let text = conversation.answered(&said.text).text;
            let answer = Answer {
                prompt: prompt.text.clone(),
                text,
                output_ids,
            };
            last = Some((answer, turn.tensors, prompt.mentions));
        }
        let (answer, kept, mentions) =
            last.ok_or_else(|| Error::output("meta.json", "a case has no turns"))?;
        tensors.extend(kept);
        if prefix == "d1" || self.depth.is_none() {
            mentioned(features, &mentions, tensors).map_err(torch_error("keep the regions"))?;
        }
        Ok(answer)
    }
}

/// One question, with what the network made of it.
struct Turn<'a> {
    prefix: &'a str,
    prompt: &'a Prompt,
    tensors: Tensors,
}

impl<'a> Turn<'a> {
    fn new(prefix: &'a str, prompt: &'a Prompt) -> Self {
        Self {
            prefix,
            prompt,
            tensors: Tensors::new(),
        }
    }

    fn run(&mut self, reasoner: &Reasoner, features: &Features) -> Result<Generated> {
        let ids = reasoner
            .model()
            .tokenizer
            .encode_prompt(&self.prompt.text)?;
        tch::no_grad(|| self.generate(reasoner, features, &ids))
            .map_err(torch_error("generate the answer"))
    }

    fn generate(
        &mut self,
        reasoner: &Reasoner,
        features: &Features,
        ids: &[i64],
    ) -> TchResult<Generated> {
        let model = reasoner.model();
        let mentions = &self.prompt.mentions;
        self.keep("input_ids", Tensor::f_from_slice(ids)?);
        let embeds = model.splice(ids, features, mentions)?;
        self.keep("inputs_embeds", embeds.shallow_clone());
        let mut layers = Vec::new();
        let mut steps: Vec<Tensor> = Vec::new();
        let mut observer = |logits: &Tensor| steps.push(logits.shallow_clone());
        let limits: &Limits = reasoner.limits();
        let guide = Guide {
            hidden: Some(&mut layers),
            observer: Some(&mut observer),
            ..Guide::default()
        };
        let generated = model.continue_prompt(&embeds, limits, guide)?;
        for (layer, hidden) in layers.iter().enumerate() {
            self.keep(&format!("llm_layer{layer}_last"), hidden.f_squeeze()?);
        }
        if let Some(first) = steps.first() {
            self.keep("first_logits", first.f_squeeze()?);
            let (values, ids) = Tensor::f_cat(&steps, 0)?.f_topk(5, -1, true, true)?;
            self.keep("step_top5_vals", values);
            self.keep("step_top5_ids", ids);
        }
        let mut output_ids: Vec<i64> = model.tokenizer.bos_id().into_iter().collect();
        output_ids.extend(&generated.ids);
        self.keep("output_ids", Tensor::f_from_slice(&output_ids)?);
        Ok(generated)
    }

    fn keep(&mut self, name: &str, tensor: Tensor) {
        self.tensors
            .push((format!("{}.{name}", self.prefix), tensor));
    }
}

/// The regions' embeddings in the order in which the prompt mentions them.
fn mentioned(features: &Features, mentions: &[usize], tensors: &mut Tensors) -> TchResult<()> {
    let mentions: Vec<i64> = mentions.iter().map(|&region| region as i64).collect();
    let mentions = Tensor::f_from_slice(&mentions)?;
    for (name, embeds) in [
        ("mask_embeds", &features.mask_embeds),
        ("depth_embeds", &features.depth_embeds),
    ] {
        if let Some(embeds) = embeds {
            let mentions = mentions.f_to_device(embeds.device())?;
            tensors.push((name.into(), embeds.f_index_select(0, &mentions)?));
        }
    }
    Ok(())
}

/// Floating point in float32 on the processor, so that any program reads the file.
fn in_float32(tensors: Tensors) -> TchResult<Tensors> {
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
            let half = matches!(tensor.kind(), Kind::BFloat16 | Kind::Half);
            let kind = if half { Kind::Float } else { tensor.kind() };
            Ok((name, tensor.f_to_kind(kind)?))
        })
        .collect()
}
