"""Writes a model of transformers or open_clip with random weights of the published shapes, inputs, and PyTorch's outputs.

python3 families.py CASE FOLDER: safetensors, the configuration files, inputs.safetensors and outputs.safetensors.
"""

import json
import os
import sys

import torch
from safetensors.torch import save_file

case, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
torch.manual_seed(0)


def write(name, value):
    with open(os.path.join(folder, name), "w") as file:
        json.dump(value, file)


def noisy(model):
    """The model with noise on every parameter, so that no bias is 0 and no gain is 1."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def tensors(name, **values):
    save_file({k: v.contiguous() for k, v in values.items()}, os.path.join(folder, f"{name}.safetensors"))


def preprocessor(kind, side):
    size = {"height": side, "width": side}
    write("preprocessor_config.json", {"image_processor_type": kind, "size": size, "crop_size": size, "resample": 3}
          if kind not in ("SiglipImageProcessor", "DINOv3ViTImageProcessorFast")
          else {"image_processor_type": kind, "size": size, "resample": 3})


def pixels(side):
    return torch.randn(1, 3, side, side)


@torch.no_grad()
def hub(model, side, ids=None, picture=None):
    import transformers

    noisy(model)
    model.save_pretrained(folder)
    x = pixels(side)
    if ids is None:
        tensors("inputs", pixel_values=x)
        tensors("outputs", image_embeds=picture(model(x)))
    else:
        tensors("inputs", pixel_values=x, input_ids=ids)
        tensors("outputs", image_embeds=embeds(model.get_image_features(x)), text_embeds=embeds(model.get_text_features(ids)))
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}")


def embeds(out):
    """The embeddings, which transformers returns alone up to version 4, and among others from version 5 on."""
    return out if torch.is_tensor(out) else out.pooler_output


def clip_ids(vocabulary, context):
    ids = torch.randint(1, vocabulary - 2, (1, context))
    ids[:, 0], ids[0, 9:] = vocabulary - 2, vocabulary - 1
    return ids


if case == "clip":
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(vision_config={"patch_size": 32}, text_config={"eos_token_id": 49407})
    preprocessor("CLIPImageProcessor", 224)
    hub(CLIPModel(config), 224, clip_ids(49408, 77))
elif case == "siglip":
    from transformers import SiglipConfig, SiglipModel

    preprocessor("SiglipImageProcessor", 224)
    hub(SiglipModel(SiglipConfig()), 224, torch.randint(2, 32000, (1, 64)))
elif case == "siglip2":
    from transformers import SiglipConfig, SiglipModel

    preprocessor("SiglipImageProcessor", 256)
    config = SiglipConfig(vision_config={"image_size": 256}, text_config={"vocab_size": 256000})
    hub(SiglipModel(config), 256, torch.randint(2, 256000, (1, 64)))
elif case == "dinov2":
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
    preprocessor("BitImageProcessor", 224)
    hub(Dinov2Model(config), 224, picture=lambda out: out.pooler_output)
elif case == "dinov2-registers":
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(
        hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14, num_register_tokens=4
    )
    preprocessor("BitImageProcessor", 224)
    hub(Dinov2WithRegistersModel(config), 224, picture=lambda out: out.pooler_output)
elif case in ("dinov3", "dinov3-gated"):
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    gated = {"use_gated_mlp": True, "hidden_act": "silu"} if case == "dinov3-gated" else {}
    config = DINOv3ViTConfig(
        hidden_size=384, intermediate_size=1536, num_attention_heads=6, num_register_tokens=4, image_size=224, **gated
    )
    preprocessor("DINOv3ViTImageProcessorFast", 224)
    hub(DINOv3ViTModel(config), 224, picture=lambda out: out.pooler_output)
elif case == "vit":
    from transformers import ViTConfig, ViTModel

    preprocessor("ViTImageProcessor", 224)
    os.remove(os.path.join(folder, "preprocessor_config.json"))
    write("preprocessor_config.json", {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}})
    hub(ViTModel(ViTConfig()), 224, picture=lambda out: out.last_hidden_state[:, 0])
else:
    import open_clip

    model = noisy(open_clip.create_model(case, pretrained=None))
    model_cfg = open_clip.get_model_config(case)
    write("open_clip_config.json", {"model_cfg": model_cfg, "preprocess_cfg": {}})
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, os.path.join(folder, "open_clip_model.safetensors"))
    side = model_cfg["vision_cfg"]["image_size"]
    context = model_cfg["text_cfg"].get("context_length", 77)
    vocabulary = model_cfg["text_cfg"].get("vocab_size", 49408)
    x, ids = pixels(side), clip_ids(vocabulary, context)
    if "eos_id" in model_cfg["text_cfg"]:
        ids[0, 9:] = model_cfg["text_cfg"]["eos_id"]
    with torch.no_grad():
        tensors("outputs", image_embeds=model.encode_image(x), text_embeds=model.encode_text(ids))
    tensors("inputs", pixel_values=x, input_ids=ids)
    from importlib.metadata import version

    print(f"PyTorch {torch.__version__}, open_clip {version('open_clip_torch')}")
