"""Encoders worth choosing, as data: what each is good for, how large it is, what its licence is.

Parameters are counted on the architecture that the name stands for, which `tests/unit/encoder/test_choices`
does again; widths and picture sides are those of its configuration. Any other name that open_clip or
transformers knows works as well.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The encoder that comes with the package.
DEFAULT = "vitrine-compact"


@dataclass(frozen=True)
class Choice:
    """One encoder: `name` is what VITRINE_ENCODER takes, `repository` where the hub keeps its weights, or the
    file of torchvision."""

    name: str
    #: What it was trained for: shipped, general, fashion, e-commerce, multilingual or Chinese; or classic.
    use: str
    note: str
    #: Model of open_clip with the same architecture; "" where only transformers builds it. The trunk of a
    #: classic one; "" where nothing is learned.
    architecture: str
    #: Parameters in use; 0 for the shipped one, whose folder tells.
    parameters: int
    #: Width d of the shared space; 0 as above.
    dim: int
    #: Side of the picture that the image tower sees, in pixels; 0 as above.
    image_size: int
    licence: str
    repository: str

    #: Parameters that are downloaded beside those in use, such as a classifier.
    unused: int = 0

    @property
    def download_bytes(self) -> int:
        """Bytes of the weights, which all of these keep as float32; tokenizers add a few MB."""
        return 4 * (self.parameters + self.unused)


#: Smallest first.
KNOWN = (
    Choice(
        DEFAULT,
        "shipped",
        "Comes with Vitrine and needs no download; fast on any CPU.",
        "",
        0,
        0,
        0,
        "Apache-2.0",
        "",
    ),
    Choice(
        "MobileCLIP2-S0/dfndr2b",
        "general",
        "Small and fast, English; research use only.",
        "MobileCLIP2-S0",
        74_835_073,
        512,
        256,
        "apple-amlr",
        "timm/MobileCLIP2-S0-OpenCLIP",
    ),
    Choice(
        "ViT-B-32/laion2b_s34b_b79k",
        "general",
        "The usual CLIP baseline, English.",
        "ViT-B-32",
        151_277_313,
        512,
        224,
        "MIT",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    Choice(
        "transformers:patrickjohncyh/fashion-clip",
        "fashion",
        "CLIP tuned on fashion catalogues, English.",
        "ViT-B-32-quickgelu",
        151_277_313,
        512,
        224,
        "MIT",
        "patrickjohncyh/fashion-clip",
    ),
    Choice(
        "transformers:OFA-Sys/chinese-clip-vit-base-patch16",
        "Chinese",
        "Texts in Chinese.",
        "",
        188_262_913,
        512,
        224,
        "MIT",
        "OFA-Sys/chinese-clip-vit-base-patch16",
    ),
    Choice(
        "hf-hub:Marqo/marqo-fashionSigLIP",
        "fashion",
        "SigLIP tuned on fashion catalogues, English.",
        "ViT-B-16-SigLIP",
        203_155_970,
        768,
        224,
        "Apache-2.0",
        "Marqo/marqo-fashionSigLIP",
    ),
    Choice(
        "hf-hub:Marqo/marqo-ecommerce-embeddings-B",
        "e-commerce",
        "Tuned on products of all kinds, English.",
        "ViT-B-16-SigLIP",
        203_155_970,
        768,
        224,
        "Apache-2.0",
        "Marqo/marqo-ecommerce-embeddings-B",
    ),
    Choice(
        "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
        "multilingual",
        "Texts in about a hundred languages.",
        "xlm-roberta-base-ViT-B-32",
        366_121_473,
        512,
        224,
        "MIT",
        "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
    ),
    Choice(
        "ViT-B-16-SigLIP2/webli",
        "multilingual",
        "Strong all-rounder, many languages, through open_clip.",
        "ViT-B-16-SigLIP2",
        375_187_970,
        768,
        224,
        "Apache-2.0",
        "timm/ViT-B-16-SigLIP2",
    ),
    Choice(
        "transformers:google/siglip2-base-patch16-224",
        "multilingual",
        "The same model through transformers.",
        "ViT-B-16-SigLIP2",
        375_187_970,
        768,
        224,
        "Apache-2.0",
        "google/siglip2-base-patch16-224",
    ),
    Choice(
        "hf-hub:Marqo/marqo-ecommerce-embeddings-L",
        "e-commerce",
        "The larger of the two; better on a GPU.",
        "ViT-L-16-SigLIP-256",
        652_150_786,
        1024,
        256,
        "Apache-2.0",
        "Marqo/marqo-ecommerce-embeddings-L",
    ),
    Choice(
        "ViT-SO400M-14-SigLIP2/webli",
        "multilingual",
        "Among the best open models; wants a GPU.",
        "ViT-SO400M-14-SigLIP2",
        1_135_463_602,
        1152,
        224,
        "Apache-2.0",
        "timm/ViT-SO400M-14-SigLIP2",
    ),
)

#: The classic methods, which see pictures only. Parameters are those of the network without its classifier,
#: which is not used.
CLASSIC = (
    Choice(
        "hog",
        "classic",
        "Histograms of gradients: outlines without colour; needs vitrine[methods].",
        "",
        0,
        901,
        96,
        "BSD-3-Clause",
        "",
    ),
    Choice(
        "torchvision:resnet18/IMAGENET1K_V1",
        "classic",
        "ResNet trained for the classes of ImageNet.",
        "torchvision:resnet18",
        11_176_512,
        512,
        224,
        "BSD-3-Clause",
        "resnet18-f37072fd.pth",
        unused=513_000,
    ),
    Choice(
        "torchvision:vgg16/IMAGENET1K_V1",
        "classic",
        "VGG trained for the classes of ImageNet.",
        "torchvision:vgg16",
        14_714_688,
        512,
        224,
        "BSD-3-Clause",
        "vgg16-397923af.pth",
        unused=123_642_856,
    ),
    Choice(
        "timm:resnet50.a1_in1k",
        "classic",
        "ResNet-50 with the training recipe of timm.",
        "timm:resnet50",
        23_508_032,
        2048,
        224,
        "Apache-2.0",
        "timm/resnet50.a1_in1k",
        unused=2_049_000,
    ),
)
