"""The pipeline classes of diffusers that are not sampled, each with its reason.

A test holds this list and the table of families against the installed diffusers: every pipeline that it exports is
in exactly one of them.
"""

_FROM_IMAGE = "needs an input image"
_CONTROL = "needs a control image, or another control beside the prompt"
_VIDEO = "makes a video"
_AUDIO = "makes sound"
_OTHER = "makes no image: text, a shape, a depth map, a molecule"
_PART = "is a part: takes or makes embeddings that a second repository completes"
_SECOND = "needs a second repository: a language model that its own does not hold"
_PACKAGE = "needs a package that is not installed"
_MODULAR = "is modular: its index is another file, and may name parts of other repositories"
_BROKEN = "fails under the installed libraries"
_UNTRIED = "was tried nowhere: it has a test neither here nor, in or after this version, in diffusers"

_BY_REASON: dict[str, str] = {
    _FROM_IMAGE: """
        AltDiffusionImg2ImgPipeline AmusedImg2ImgPipeline AmusedInpaintPipeline BriaFiboEditPipeline
        ChromaImg2ImgPipeline ChromaInpaintPipeline CycleDiffusionPipeline Flux2KleinInpaintPipeline
        FluxFillPipeline FluxImg2ImgPipeline FluxInpaintPipeline FluxKontextInpaintPipeline
        HunyuanImageRefinerPipeline IFImg2ImgPipeline IFImg2ImgSuperResolutionPipeline IFInpaintingPipeline
        IFInpaintingSuperResolutionPipeline IFSuperResolutionPipeline JoyImageEditPipeline
        JoyImageEditPlusPipeline Kandinsky3Img2ImgPipeline Kandinsky5I2IPipeline
        KandinskyImg2ImgCombinedPipeline KandinskyInpaintCombinedPipeline KandinskyV22Img2ImgCombinedPipeline
        KandinskyV22InpaintCombinedPipeline KolorsImg2ImgPipeline LDMSuperResolutionPipeline
        LEditsPPPipelineStableDiffusion LEditsPPPipelineStableDiffusionXL LatentConsistencyModelImg2ImgPipeline
        LongCatImageEditPipeline PaintByExamplePipeline QwenImageEditInpaintPipeline QwenImageEditPipeline
        QwenImageEditPlusPipeline QwenImageImg2ImgPipeline QwenImageInpaintPipeline QwenImageLayeredPipeline
        RePaintPipeline SanaSprintImg2ImgPipeline StableDiffusion3Img2ImgPipeline
        StableDiffusion3InpaintPipeline StableDiffusion3PAGImg2ImgPipeline StableDiffusionDepth2ImgPipeline
        StableDiffusionDiffEditPipeline StableDiffusionImageVariationPipeline StableDiffusionImg2ImgPipeline
        StableDiffusionInpaintPipeline StableDiffusionInpaintPipelineLegacy
        StableDiffusionInstructPix2PixPipeline StableDiffusionLatentUpscalePipeline
        StableDiffusionPAGImg2ImgPipeline StableDiffusionPAGInpaintPipeline StableDiffusionUpscalePipeline
        StableDiffusionXLImg2ImgPipeline StableDiffusionXLInpaintPipeline
        StableDiffusionXLInstructPix2PixPipeline StableDiffusionXLPAGImg2ImgPipeline
        StableDiffusionXLPAGInpaintPipeline StableUnCLIPImg2ImgPipeline UnCLIPImageVariationPipeline
        VersatileDiffusionDualGuidedPipeline VersatileDiffusionImageVariationPipeline
        VisualClozeGenerationPipeline VisualClozePipeline ZImageImg2ImgPipeline ZImageInpaintPipeline
    """,
    _CONTROL: """
        BlipDiffusionControlNetPipeline BlipDiffusionPipeline CogView4ControlPipeline FluxControlImg2ImgPipeline
        FluxControlInpaintPipeline FluxControlNetImg2ImgPipeline FluxControlNetInpaintPipeline
        FluxControlNetPipeline FluxControlPipeline HunyuanDiTControlNetPipeline
        QwenImageControlNetInpaintPipeline QwenImageControlNetPipeline SanaControlNetPipeline
        StableDiffusion3ControlNetInpaintingPipeline StableDiffusion3ControlNetPipeline
        StableDiffusionAdapterPipeline StableDiffusionAttendAndExcitePipeline
        StableDiffusionControlNetImg2ImgPipeline StableDiffusionControlNetInpaintPipeline
        StableDiffusionControlNetPAGInpaintPipeline StableDiffusionControlNetPAGPipeline
        StableDiffusionControlNetPipeline StableDiffusionControlNetXSPipeline StableDiffusionGLIGENPipeline
        StableDiffusionGLIGENTextImagePipeline StableDiffusionPix2PixZeroPipeline StableDiffusionXLAdapterPipeline
        StableDiffusionXLControlNetImg2ImgPipeline StableDiffusionXLControlNetInpaintPipeline
        StableDiffusionXLControlNetPAGImg2ImgPipeline StableDiffusionXLControlNetPAGPipeline
        StableDiffusionXLControlNetPipeline StableDiffusionXLControlNetUnionImg2ImgPipeline
        StableDiffusionXLControlNetUnionInpaintPipeline StableDiffusionXLControlNetUnionPipeline
        StableDiffusionXLControlNetXSPipeline ZImageControlNetInpaintPipeline ZImageControlNetPipeline
    """,
    _VIDEO: """
        AllegroPipeline AnimateDiffControlNetPipeline AnimateDiffPAGPipeline AnimateDiffPipeline
        AnimateDiffSDXLPipeline AnimateDiffSparseControlNetPipeline AnimateDiffVideoToVideoControlNetPipeline
        AnimateDiffVideoToVideoPipeline AnyFlowFARPipeline AnyFlowPipeline ChronoEditPipeline
        CogVideoXFunControlPipeline CogVideoXImageToVideoPipeline CogVideoXPipeline CogVideoXVideoToVideoPipeline
        Cosmos2VideoToWorldPipeline Cosmos2_5_PredictBasePipeline Cosmos2_5_TransferPipeline Cosmos3OmniPipeline
        CosmosTextToWorldPipeline CosmosVideoToWorldPipeline EasyAnimateControlPipeline
        EasyAnimateInpaintPipeline EasyAnimatePipeline HeliosPipeline HeliosPyramidPipeline
        HunyuanSkyreelsImageToVideoPipeline HunyuanVideo15ImageToVideoPipeline HunyuanVideo15Pipeline
        HunyuanVideoFramepackPipeline HunyuanVideoImageToVideoPipeline HunyuanVideoPipeline I2VGenXLPipeline
        Kandinsky5I2VPipeline Kandinsky5T2VPipeline Kandinsky6SRPipeline Kandinsky6TI2VAPipeline
        LTX2ConditionPipeline LTX2DFRPipeline LTX2DFRTemporalRefinePipeline LTX2HDRPipeline
        LTX2ImageToVideoPipeline LTX2InContextPipeline LTX2LatentUpsamplePipeline LTX2Pipeline
        LTX2VideoDiffusionDecodePipeline LTXConditionPipeline LTXI2VLongMultiPromptPipeline
        LTXImageToVideoPipeline LTXLatentUpsamplePipeline LTXPipeline LattePipeline LucyEditPipeline
        MochiPipeline MotifVideoImage2VideoPipeline MotifVideoPipeline PIAPipeline SanaImageToVideoPipeline
        SanaVideoPipeline SanaWMLTX2Refiner SanaWMPipeline SkyReelsV2DiffusionForcingImageToVideoPipeline
        SkyReelsV2DiffusionForcingPipeline SkyReelsV2DiffusionForcingVideoToVideoPipeline
        SkyReelsV2ImageToVideoPipeline SkyReelsV2Pipeline StableVideoDiffusionPipeline TextToVideoSDPipeline
        TextToVideoZeroPipeline TextToVideoZeroSDXLPipeline VideoToVideoSDPipeline WanAnimatePipeline
        WanImageToVideoPipeline WanPipeline WanVACEPipeline WanVideoToVideoPipeline
    """,
    _AUDIO: """
        AceStepPipeline AudioLDM2Pipeline AudioLDMPipeline DanceDiffusionPipeline LongCatAudioDiTPipeline
        MusicLDMPipeline StableAudio3AudioToAudioPipeline StableAudio3InpaintPipeline StableAudio3Pipeline
        StableAudioPipeline
    """,
    _OTHER: """
        DiffusionGemmaPipeline LLaDA2Pipeline MarigoldDepthPipeline MarigoldIntrinsicsPipeline
        MarigoldNormalsPipeline RFD4ProteinaPipeline ShapEImg2ImgPipeline ShapEPipeline
        StableDiffusionLDM3DPipeline VersatileDiffusionPipeline
    """,
    _PART: """
        FluxPriorReduxPipeline KandinskyImg2ImgPipeline KandinskyInpaintPipeline KandinskyPipeline
        KandinskyPriorPipeline KandinskyV22ControlnetImg2ImgPipeline KandinskyV22ControlnetPipeline
        KandinskyV22Img2ImgPipeline KandinskyV22InpaintPipeline KandinskyV22Pipeline
        KandinskyV22PriorEmb2EmbPipeline KandinskyV22PriorPipeline StableCascadeDecoderPipeline
        StableCascadePriorPipeline WuerstchenDecoderPipeline WuerstchenPriorPipeline
    """,
    _SECOND: """
        BriaFibo2Pipeline BriaFiboPipeline HiDreamImagePipeline
    """,
    _PACKAGE: """
        AudioDiffusionPipeline ConsisIDPipeline Cosmos2TextToImagePipeline
        OnnxStableDiffusionImg2ImgPipeline OnnxStableDiffusionInpaintPipeline
        OnnxStableDiffusionInpaintPipelineLegacy OnnxStableDiffusionPipeline OnnxStableDiffusionUpscalePipeline
        PRXPipeline PRXPixelPipeline SpectrogramDiffusionPipeline StableDiffusionOnnxPipeline
    """,
    _BROKEN: """
        StableDiffusionSAGPipeline
    """,
    _UNTRIED: """
        AltDiffusionPipeline ErnieImagePipeline Ideogram4Pipeline LongCatImagePipeline QwenImage21Pipeline
        UniDiffuserPipeline VQDiffusionPipeline VersatileDiffusionTextToImagePipeline ZImageOmniPipeline
    """,
}

UNSUPPORTED: dict[str, str] = {name: reason for reason, names in _BY_REASON.items() for name in names.split()}
"""From the class to the reason in words."""


def why(pipeline_class: str) -> str:
    """Return in words why a class is not sampled."""
    if pipeline_class.endswith("ModularPipeline"):
        return _MODULAR
    return UNSUPPORTED.get(pipeline_class, "is not a pipeline of the installed diffusers")
