"""The zoo's rows for type checkers: written by `docs/zoo_stub.py`."""

# ruff: noqa
# fmt: off
from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypedDict, Unpack

from .._schedules import AbstractSchedule
from .._types import ArrayLike, PRNGKeyArray
from ..backbones import AbstractScale
from ..manifolds import AbstractManifold
from ..models import PrototypeModel
from ._recipe import Recipe

TABLE: dict[str, Recipe]

class _Arguments(TypedDict, total=False):
    key: Required[PRNGKeyArray | int]
    space: AbstractManifold | None
    encoder: Callable[..., Any] | None
    latent_space: AbstractManifold | None
    sample_weight: ArrayLike | None
    standardise: bool | str | AbstractScale

class _EuclideanOrGivenOptions(TypedDict, total=False):
    precomputed: bool | None

class _NearestNeighboursOptions(TypedDict, total=False):
    neighbours: int

class _PerClassOptions(TypedDict, total=False):
    prototypes_per_class: int | Mapping[int, int]
    initialiser: str | Callable[..., Any]

class _GlvqOptions(TypedDict, total=False):
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None

class _Lvq21Options(TypedDict, total=False):
    window: float

class _OmegaOptions(TypedDict, total=False):
    latent_dim: int | None
    normalised: bool
    omega_initialiser: str
    null_space_correction: bool

class _TangentOptions(TypedDict, total=False):
    subspace_dim: int | None

class _SupervisedNeuralGasOptions(TypedDict, total=False):
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None
    neighbourhood: float | None
    final_neighbourhood: float

class _SoftLvqOptions(TypedDict, total=False):
    variance: float | AbstractSchedule | None

class _RslvqNeuralGasOptions(TypedDict, total=False):
    variance: float | AbstractSchedule | None
    neighbourhood: float | None
    final_neighbourhood: float | None

class _CrossEntropyOptions(TypedDict, total=False):
    temperature: float | None

class _CrossEntropyNeuralGasOptions(TypedDict, total=False):
    temperature: float | None
    neighbourhood: float | None
    final_neighbourhood: float

class _ExponentialKernelOptions(TypedDict, total=False):
    latent_dim: int | None

class _ComponentsOptions(TypedDict, total=False):
    components: int | None
    initialiser: str | Callable[..., Any]

class _CbcOptions(TypedDict, total=False):
    margin: float
    variance: float | None

class _StableCbcOptions(TypedDict, total=False):
    margin: float
    bandwidth: float | None

class _RobustStableCbcOptions(TypedDict, total=False):
    margin: float | None
    bandwidth: float | None

class _MlpOptions(TypedDict, total=False):
    hidden: tuple[int, ...]
    latent_dim: int
    activation: Callable[..., Any]

class _ProjectionOptions(TypedDict, total=False):
    omega_dim: int | None
    normalised: bool
    omega_initialiser: str

class _CnnOptions(TypedDict, total=False):
    channels: tuple[int, ...]
    latent_dim: int
    pool: int

class _TangentExponentialKernelOfOmegaThenProjectionOptions(TypedDict, total=False):
    latent_dim: int | None
    normalised: bool
    omega_initialiser: str
    null_space_correction: bool
    kernel_latent_dim: int | None

class _TangentExponentialKernelOfTangentThenProjectionOptions(TypedDict, total=False):
    subspace_dim: int | None
    kernel_latent_dim: int | None

class _GeodesicFilterOptions(TypedDict, total=False):
    filter_dim: int | None

class _ClustersOptions(TypedDict, total=False):
    prototypes: int
    initialiser: str | Callable[..., Any]

class _FuzzyOptions(TypedDict, total=False):
    fuzzifier: float

class _KernelOptions(TypedDict, total=False):
    bandwidth: float | None

class _VolumesOptions(TypedDict, total=False):
    covariance: str
    regularisation: float | None

class _MahalanobisOptions(TypedDict, total=False):
    covariance: str
    regularisation: float | None
    covariances: ArrayLike | None

class _FuzzyMixtureOptions(TypedDict, total=False):
    fuzzifier: float
    weights: ArrayLike | None

class _PossibilisticOptions(TypedDict, total=False):
    exponent: float
    bandwidth_factor: float

class _FuzzyColumnwiseOptions(TypedDict, total=False):
    fuzzifier: float
    exponent: float
    typicality_weight: float | None

class _FuzzyPossibilisticOptions(TypedDict, total=False):
    fuzzifier: float
    exponent: float
    membership_weight: float
    typicality_weight: float
    bandwidth_factor: float

class _FuzzyExponentialOptions(TypedDict, total=False):
    fuzzifier: float
    membership_weight: float
    typicality_weight: float
    bandwidth_factor: float

class _ImprovedPossibilisticOptions(TypedDict, total=False):
    fuzzifier: float
    exponent: float
    bandwidth_factor: float

class _ImprovedExponentialOptions(TypedDict, total=False):
    fuzzifier: float
    bandwidth_factor: float

class _GradedOptions(TypedDict, total=False):
    width: float | None
    final_width: float | None
    final_grade: float

class _NeuralGasOptions(TypedDict, total=False):
    neighbourhood: float | None
    final_neighbourhood: float

class _GaussianComponentsOptions(TypedDict, total=False):
    prototypes: int | None
    initialiser: str | Callable[..., Any] | None
    means: ArrayLike | None

class _MixtureOptions(TypedDict, total=False):
    weights: ArrayLike | None

class _LatticeOptions(TypedDict, total=False):
    grid: tuple[int, ...] | None
    topology: Literal["rectangular", "hexagonal"]
    toroidal: bool

class _OnLatticeOptions(TypedDict, total=False):
    initialiser: str | Callable[..., Any]

class _KohonenOptions(TypedDict, total=False):
    neighbourhood: float | None
    final_neighbourhood: float
    kernel: Literal["gaussian", "bubble"]

class _GrowingOptions(TypedDict, total=False):
    capacity: int

class _GrowingGraphOptions(TypedDict, total=False):
    share: float

class _OneClassOptions(TypedDict, total=False):
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None
    rejected: float | None

class _OneClassNeuralGasOptions(TypedDict, total=False):
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None
    rejected: float | None
    neighbourhood: float | None
    final_neighbourhood: float

class _OneClassSoftOptions(TypedDict, total=False):
    variance: float | AbstractSchedule | None
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None
    rejected: float | None

class _OneClassSoftNeuralGasOptions(TypedDict, total=False):
    variance: float | AbstractSchedule | None
    transfer: str | Callable[..., Any]
    margin: float
    steepness: float | None
    rejected: float | None
    neighbourhood: float | None
    final_neighbourhood: float
    cooperative_scores: bool

class _SvqOccOptions(TypedDict, total=False):
    cost: Literal["cross-entropy", "brier", "contrastive"]
    balance: float
    response: Literal["gaussian", "student", "winner", "uniform"]
    response_variance: float | None
    freedom: float
    border_steepness: float
    rejected: float | None
    neighbourhood: float | None
    final_neighbourhood: float

class _DataDescriptionOptions(TypedDict, total=False):
    rejected: float

class _KNNArguments(_Arguments, _EuclideanOrGivenOptions, _NearestNeighboursOptions, total=False): ...

class _KNN(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_KNNArguments]
    ) -> PrototypeModel: ...

class _NPCArguments(_Arguments, _PerClassOptions, total=False): ...

class _NPC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_NPCArguments]
    ) -> PrototypeModel: ...

class _MedianLVQArguments(_Arguments, _PerClassOptions, _EuclideanOrGivenOptions, _GlvqOptions, total=False): ...

class _MedianLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_MedianLVQArguments]
    ) -> PrototypeModel: ...

class _LVQ21Arguments(_Arguments, _PerClassOptions, _Lvq21Options, total=False): ...

class _LVQ21(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_LVQ21Arguments]
    ) -> PrototypeModel: ...

class _GLVQArguments(_Arguments, _PerClassOptions, _GlvqOptions, total=False): ...

class _GLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_GLVQArguments]
    ) -> PrototypeModel: ...

class _GMLVQArguments(_Arguments, _PerClassOptions, _OmegaOptions, _GlvqOptions, total=False): ...

class _GMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_GMLVQArguments]
    ) -> PrototypeModel: ...

class _GTLVQArguments(_Arguments, _PerClassOptions, _TangentOptions, _GlvqOptions, total=False): ...

class _GTLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_GTLVQArguments]
    ) -> PrototypeModel: ...

class _SNGArguments(_Arguments, _PerClassOptions, _SupervisedNeuralGasOptions, total=False): ...

class _SNG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_SNGArguments]
    ) -> PrototypeModel: ...

class _SMNGArguments(_Arguments, _PerClassOptions, _OmegaOptions, _SupervisedNeuralGasOptions, total=False): ...

class _SMNG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_SMNGArguments]
    ) -> PrototypeModel: ...

class _STNGArguments(_Arguments, _PerClassOptions, _TangentOptions, _SupervisedNeuralGasOptions, total=False): ...

class _STNG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_STNGArguments]
    ) -> PrototypeModel: ...

class _SLVQArguments(_Arguments, _PerClassOptions, _SoftLvqOptions, total=False): ...

class _SLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_SLVQArguments]
    ) -> PrototypeModel: ...

class _MRSLVQArguments(_Arguments, _PerClassOptions, _OmegaOptions, _SoftLvqOptions, total=False): ...

class _MRSLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_MRSLVQArguments]
    ) -> PrototypeModel: ...

class _RSLVQ_NGArguments(_Arguments, _PerClassOptions, _RslvqNeuralGasOptions, total=False): ...

class _RSLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_RSLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _MRSLVQ_NGArguments(_Arguments, _PerClassOptions, _OmegaOptions, _RslvqNeuralGasOptions, total=False): ...

class _MRSLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_MRSLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _CELVQArguments(_Arguments, _PerClassOptions, _CrossEntropyOptions, total=False): ...

class _CELVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_CELVQArguments]
    ) -> PrototypeModel: ...

class _CELVQ_NGArguments(_Arguments, _PerClassOptions, _CrossEntropyNeuralGasOptions, total=False): ...

class _CELVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_CELVQ_NGArguments]
    ) -> PrototypeModel: ...

class _MCELVQ_NGArguments(_Arguments, _PerClassOptions, _OmegaOptions, _CrossEntropyNeuralGasOptions, total=False): ...

class _MCELVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_MCELVQ_NGArguments]
    ) -> PrototypeModel: ...

class _TCELVQ_NGArguments(_Arguments, _PerClassOptions, _TangentOptions, _CrossEntropyNeuralGasOptions, total=False): ...

class _TCELVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_TCELVQ_NGArguments]
    ) -> PrototypeModel: ...

class _DKGMLVQArguments(_Arguments, _PerClassOptions, _ExponentialKernelOptions, _GlvqOptions, total=False): ...

class _DKGMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_DKGMLVQArguments]
    ) -> PrototypeModel: ...

class _DKGMLVQ_NGArguments(_Arguments, _PerClassOptions, _ExponentialKernelOptions, _SupervisedNeuralGasOptions, total=False): ...

class _DKGMLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_DKGMLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _CBCArguments(_Arguments, _ComponentsOptions, _CbcOptions, total=False): ...

class _CBC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_CBCArguments]
    ) -> PrototypeModel: ...

class _StableCBCArguments(_Arguments, _ComponentsOptions, _StableCbcOptions, total=False): ...

class _StableCBC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_StableCBCArguments]
    ) -> PrototypeModel: ...

class _RobustStableCBCArguments(_Arguments, _ComponentsOptions, _RobustStableCbcOptions, total=False): ...

class _RobustStableCBC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_RobustStableCBCArguments]
    ) -> PrototypeModel: ...

class _LVQMLNArguments(_Arguments, _MlpOptions, _PerClassOptions, _GlvqOptions, total=False): ...

class _LVQMLN(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_LVQMLNArguments]
    ) -> PrototypeModel: ...

class _PLVQArguments(_Arguments, _MlpOptions, _PerClassOptions, _SoftLvqOptions, total=False): ...

class _PLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_PLVQArguments]
    ) -> PrototypeModel: ...

class _SiameseGMLVQArguments(_Arguments, _MlpOptions, _PerClassOptions, _ProjectionOptions, _GlvqOptions, total=False): ...

class _SiameseGMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_SiameseGMLVQArguments]
    ) -> PrototypeModel: ...

class _SiameseGTLVQArguments(_Arguments, _MlpOptions, _PerClassOptions, _TangentOptions, _GlvqOptions, total=False): ...

class _SiameseGTLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_SiameseGTLVQArguments]
    ) -> PrototypeModel: ...

class _ImageGLVQArguments(_Arguments, _CnnOptions, _PerClassOptions, _GlvqOptions, total=False): ...

class _ImageGLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_ImageGLVQArguments]
    ) -> PrototypeModel: ...

class _ImageGMLVQArguments(_Arguments, _CnnOptions, _PerClassOptions, _ProjectionOptions, _GlvqOptions, total=False): ...

class _ImageGMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_ImageGMLVQArguments]
    ) -> PrototypeModel: ...

class _ImageGTLVQArguments(_Arguments, _CnnOptions, _PerClassOptions, _TangentOptions, _GlvqOptions, total=False): ...

class _ImageGTLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_ImageGTLVQArguments]
    ) -> PrototypeModel: ...

class _ImageCBCArguments(_Arguments, _CnnOptions, _ComponentsOptions, _CbcOptions, total=False): ...

class _ImageCBC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_ImageCBCArguments]
    ) -> PrototypeModel: ...

class _RiemannianDKMSMNGArguments(_Arguments, _PerClassOptions, _TangentExponentialKernelOfOmegaThenProjectionOptions, _SupervisedNeuralGasOptions, total=False): ...

class _RiemannianDKMSMNG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_RiemannianDKMSMNGArguments]
    ) -> PrototypeModel: ...

class _RiemannianDKMSTNGArguments(_Arguments, _PerClassOptions, _TangentExponentialKernelOfTangentThenProjectionOptions, _SupervisedNeuralGasOptions, total=False): ...

class _RiemannianDKMSTNG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_RiemannianDKMSTNGArguments]
    ) -> PrototypeModel: ...

class _FGMDMArguments(_Arguments, _GeodesicFilterOptions, _PerClassOptions, total=False): ...

class _FGMDM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike, **options: Unpack[_FGMDMArguments]
    ) -> PrototypeModel: ...

class _TangentKMeansArguments(_Arguments, _ClustersOptions, total=False): ...

class _TangentKMeans(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_TangentKMeansArguments]
    ) -> PrototypeModel: ...

class _FCMArguments(_Arguments, _ClustersOptions, _FuzzyOptions, total=False): ...

class _FCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_FCMArguments]
    ) -> PrototypeModel: ...

class _KFCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _FuzzyOptions, total=False): ...

class _KFCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KFCMArguments]
    ) -> PrototypeModel: ...

class _GustafsonKesselArguments(_Arguments, _ClustersOptions, _VolumesOptions, _FuzzyOptions, total=False): ...

class _GustafsonKessel(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_GustafsonKesselArguments]
    ) -> PrototypeModel: ...

class _GathGevaArguments(_Arguments, _ClustersOptions, _MahalanobisOptions, _FuzzyMixtureOptions, total=False): ...

class _GathGeva(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_GathGevaArguments]
    ) -> PrototypeModel: ...

class _PCMArguments(_Arguments, _ClustersOptions, _PossibilisticOptions, total=False): ...

class _PCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_PCMArguments]
    ) -> PrototypeModel: ...

class _KPCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _PossibilisticOptions, total=False): ...

class _KPCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KPCMArguments]
    ) -> PrototypeModel: ...

class _FPCMArguments(_Arguments, _ClustersOptions, _FuzzyColumnwiseOptions, total=False): ...

class _FPCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_FPCMArguments]
    ) -> PrototypeModel: ...

class _KFPCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _FuzzyColumnwiseOptions, total=False): ...

class _KFPCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KFPCMArguments]
    ) -> PrototypeModel: ...

class _PFCMArguments(_Arguments, _ClustersOptions, _FuzzyPossibilisticOptions, total=False): ...

class _PFCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_PFCMArguments]
    ) -> PrototypeModel: ...

class _KPFCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _FuzzyPossibilisticOptions, total=False): ...

class _KPFCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KPFCMArguments]
    ) -> PrototypeModel: ...

class _AFCMArguments(_Arguments, _ClustersOptions, _FuzzyExponentialOptions, total=False): ...

class _AFCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_AFCMArguments]
    ) -> PrototypeModel: ...

class _KAFCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _FuzzyExponentialOptions, total=False): ...

class _KAFCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KAFCMArguments]
    ) -> PrototypeModel: ...

class _IPCMArguments(_Arguments, _ClustersOptions, _ImprovedPossibilisticOptions, total=False): ...

class _IPCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_IPCMArguments]
    ) -> PrototypeModel: ...

class _KIPCMArguments(_Arguments, _ClustersOptions, _KernelOptions, _ImprovedPossibilisticOptions, total=False): ...

class _KIPCM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KIPCMArguments]
    ) -> PrototypeModel: ...

class _IPCM2Arguments(_Arguments, _ClustersOptions, _ImprovedExponentialOptions, total=False): ...

class _IPCM2(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_IPCM2Arguments]
    ) -> PrototypeModel: ...

class _KIPCM2Arguments(_Arguments, _ClustersOptions, _KernelOptions, _ImprovedExponentialOptions, total=False): ...

class _KIPCM2(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KIPCM2Arguments]
    ) -> PrototypeModel: ...

class _BGPCArguments(_Arguments, _ClustersOptions, _GradedOptions, total=False): ...

class _BGPC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_BGPCArguments]
    ) -> PrototypeModel: ...

class _NeuralGasArguments(_Arguments, _ClustersOptions, _NeuralGasOptions, total=False): ...

class _NeuralGas(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_NeuralGasArguments]
    ) -> PrototypeModel: ...

class _MedianKMeansArguments(_Arguments, _ClustersOptions, _EuclideanOrGivenOptions, total=False): ...

class _MedianKMeans(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_MedianKMeansArguments]
    ) -> PrototypeModel: ...

class _MedianNeuralGasArguments(_Arguments, _ClustersOptions, _EuclideanOrGivenOptions, _NeuralGasOptions, total=False): ...

class _MedianNeuralGas(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_MedianNeuralGasArguments]
    ) -> PrototypeModel: ...

class _GaussianMixtureArguments(_Arguments, _GaussianComponentsOptions, _MahalanobisOptions, _MixtureOptions, total=False): ...

class _GaussianMixture(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_GaussianMixtureArguments]
    ) -> PrototypeModel: ...

class _KohonenSOMArguments(_Arguments, _LatticeOptions, _OnLatticeOptions, _KohonenOptions, total=False): ...

class _KohonenSOM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_KohonenSOMArguments]
    ) -> PrototypeModel: ...

class _DKNeuralGasArguments(_Arguments, _ClustersOptions, _KernelOptions, _NeuralGasOptions, total=False): ...

class _DKNeuralGas(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_DKNeuralGasArguments]
    ) -> PrototypeModel: ...

class _DKKohonenSOMArguments(_Arguments, _LatticeOptions, _OnLatticeOptions, _KernelOptions, _KohonenOptions, total=False): ...

class _DKKohonenSOM(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_DKKohonenSOMArguments]
    ) -> PrototypeModel: ...

class _GrowingNeuralGasArguments(_Arguments, _GrowingOptions, _GrowingGraphOptions, total=False): ...

class _GrowingNeuralGas(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: None = None, **options: Unpack[_GrowingNeuralGasArguments]
    ) -> PrototypeModel: ...

class _OCGLVQArguments(_Arguments, _ClustersOptions, _OneClassOptions, total=False): ...

class _OCGLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGLVQArguments]
    ) -> PrototypeModel: ...

class _OCGMLVQArguments(_Arguments, _ClustersOptions, _OmegaOptions, _OneClassOptions, total=False): ...

class _OCGMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGMLVQArguments]
    ) -> PrototypeModel: ...

class _OCGTLVQArguments(_Arguments, _ClustersOptions, _TangentOptions, _OneClassOptions, total=False): ...

class _OCGTLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGTLVQArguments]
    ) -> PrototypeModel: ...

class _OCGLVQ_NGArguments(_Arguments, _ClustersOptions, _OneClassNeuralGasOptions, total=False): ...

class _OCGLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _OCGMLVQ_NGArguments(_Arguments, _ClustersOptions, _OmegaOptions, _OneClassNeuralGasOptions, total=False): ...

class _OCGMLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGMLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _OCGTLVQ_NGArguments(_Arguments, _ClustersOptions, _TangentOptions, _OneClassNeuralGasOptions, total=False): ...

class _OCGTLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCGTLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _OCRSLVQArguments(_Arguments, _ClustersOptions, _OneClassSoftOptions, total=False): ...

class _OCRSLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCRSLVQArguments]
    ) -> PrototypeModel: ...

class _OCMRSLVQArguments(_Arguments, _ClustersOptions, _OmegaOptions, _OneClassSoftOptions, total=False): ...

class _OCMRSLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCMRSLVQArguments]
    ) -> PrototypeModel: ...

class _OCRSLVQ_NGArguments(_Arguments, _ClustersOptions, _OneClassSoftNeuralGasOptions, total=False): ...

class _OCRSLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCRSLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _OCMRSLVQ_NGArguments(_Arguments, _ClustersOptions, _OmegaOptions, _OneClassSoftNeuralGasOptions, total=False): ...

class _OCMRSLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCMRSLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _OCDKGMLVQArguments(_Arguments, _ClustersOptions, _ExponentialKernelOptions, _OneClassOptions, total=False): ...

class _OCDKGMLVQ(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCDKGMLVQArguments]
    ) -> PrototypeModel: ...

class _OCDKGMLVQ_NGArguments(_Arguments, _ClustersOptions, _ExponentialKernelOptions, _OneClassNeuralGasOptions, total=False): ...

class _OCDKGMLVQ_NG(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_OCDKGMLVQ_NGArguments]
    ) -> PrototypeModel: ...

class _SVQOCCArguments(_Arguments, _ClustersOptions, _SvqOccOptions, total=False): ...

class _SVQOCC(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_SVQOCCArguments]
    ) -> PrototypeModel: ...

class _SVQOCC_MArguments(_Arguments, _ClustersOptions, _OmegaOptions, _SvqOccOptions, total=False): ...

class _SVQOCC_M(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_SVQOCC_MArguments]
    ) -> PrototypeModel: ...

class _SVQOCC_TArguments(_Arguments, _ClustersOptions, _TangentOptions, _SvqOccOptions, total=False): ...

class _SVQOCC_T(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_SVQOCC_TArguments]
    ) -> PrototypeModel: ...

class _SVDDArguments(_Arguments, _ClustersOptions, _DataDescriptionOptions, total=False): ...

class _SVDD(Recipe):
    def __call__(  # type: ignore[override]
        self, x: ArrayLike, y: ArrayLike | None = None, **options: Unpack[_SVDDArguments]
    ) -> PrototypeModel: ...

KNN: _KNN
NPC: _NPC
MedianLVQ: _MedianLVQ
LVQ1: _NPC
LVQ21: _LVQ21
GLVQ1: _NPC
GLVQ21: _LVQ21
GLVQ: _GLVQ
GRLVQ: _GLVQ
GMLVQ: _GMLVQ
LGMLVQ: _GMLVQ
GTLVQ: _GTLVQ
SNG: _SNG
SRNG: _SNG
SMNG: _SMNG
SLNG: _SMNG
SCMNG: _SMNG
STNG: _STNG
SLVQ: _SLVQ
RSLVQ: _SLVQ
MRSLVQ: _MRSLVQ
LMRSLVQ: _MRSLVQ
RSLVQ_NG: _RSLVQ_NG
MRSLVQ_NG: _MRSLVQ_NG
LMRSLVQ_NG: _MRSLVQ_NG
CELVQ: _CELVQ
CELVQ_NG: _CELVQ_NG
MCELVQ_NG: _MCELVQ_NG
LCELVQ_NG: _MCELVQ_NG
TCELVQ_NG: _TCELVQ_NG
DKGLVQ: _GLVQ
DKGRLVQ: _GLVQ
DKGMLVQ: _DKGMLVQ
DKGLVQ_NG: _SNG
DKGRLVQ_NG: _SNG
DKGMLVQ_NG: _DKGMLVQ_NG
WGLVQ: _GLVQ
WGRLVQ: _GLVQ
WGMLVQ: _GMLVQ
CBC: _CBC
StableCBC: _StableCBC
RobustStableCBC: _RobustStableCBC
LVQMLN: _LVQMLN
PLVQ: _PLVQ
SiameseGLVQ: _LVQMLN
SiameseGMLVQ: _SiameseGMLVQ
SiameseGTLVQ: _SiameseGTLVQ
ImageGLVQ: _ImageGLVQ
ImageGMLVQ: _ImageGMLVQ
ImageGTLVQ: _ImageGTLVQ
ImageCBC: _ImageCBC
RiemannianSRNG: _SNG
RiemannianSMNG: _SMNG
RiemannianSLNG: _SMNG
RiemannianSTNG: _STNG
RiemannianDKGLVQ: _SNG
RiemannianDKGRLVQ: _SNG
RiemannianDKGMLVQ: _DKGMLVQ_NG
RiemannianDKSMNG: _SMNG
RiemannianDKSLNG: _SMNG
RiemannianDKSTNG: _STNG
RiemannianDKRSMNG: _SMNG
RiemannianDKRSLNG: _SMNG
RiemannianDKRSTNG: _STNG
RiemannianDKMSMNG: _RiemannianDKMSMNG
RiemannianDKMSLNG: _RiemannianDKMSMNG
RiemannianDKMSTNG: _RiemannianDKMSTNG
GRLGQ: _GLVQ
MDM: _NPC
FGMDM: _FGMDM
TangentKMeans: _TangentKMeans
HCM: _TangentKMeans
KMeans: _TangentKMeans
FCM: _FCM
KFCM: _KFCM
GustafsonKessel: _GustafsonKessel
GathGeva: _GathGeva
PCM: _PCM
KPCM: _KPCM
FPCM: _FPCM
KFPCM: _KFPCM
PFCM: _PFCM
KPFCM: _KPFCM
AFCM: _AFCM
KAFCM: _KAFCM
IPCM: _IPCM
KIPCM: _KIPCM
IPCM2: _IPCM2
KIPCM2: _KIPCM2
BGPC: _BGPC
NeuralGas: _NeuralGas
MedianKMeans: _MedianKMeans
MedianNeuralGas: _MedianNeuralGas
GaussianMixture: _GaussianMixture
KohonenSOM: _KohonenSOM
HeskesSOM: _KohonenSOM
SOM: _KohonenSOM
DKNeuralGas: _DKNeuralGas
DKKohonenSOM: _DKKohonenSOM
DKHeskesSOM: _DKKohonenSOM
GrowingNeuralGas: _GrowingNeuralGas
RiemannianNeuralGas: _NeuralGas
RiemannianSOM: _KohonenSOM
RGLVQ: _GLVQ
RRSLVQ: _SLVQ
KGLVQ: _GLVQ
RelationalKMeans: _TangentKMeans
RelationalFCM: _FCM
RelationalNeuralGas: _NeuralGas
OCGLVQ: _OCGLVQ
OCGRLVQ: _OCGLVQ
OCGMLVQ: _OCGMLVQ
OCLGMLVQ: _OCGMLVQ
OCGTLVQ: _OCGTLVQ
OCGLVQ_NG: _OCGLVQ_NG
OCGRLVQ_NG: _OCGLVQ_NG
OCGMLVQ_NG: _OCGMLVQ_NG
OCLGMLVQ_NG: _OCGMLVQ_NG
OCGTLVQ_NG: _OCGTLVQ_NG
OCRSLVQ: _OCRSLVQ
OCMRSLVQ: _OCMRSLVQ
OCLMRSLVQ: _OCMRSLVQ
OCRSLVQ_NG: _OCRSLVQ_NG
OCMRSLVQ_NG: _OCMRSLVQ_NG
OCLMRSLVQ_NG: _OCMRSLVQ_NG
OCDKGLVQ: _OCGLVQ
OCDKGRLVQ: _OCGLVQ
OCDKGMLVQ: _OCDKGMLVQ
OCDKGLVQ_NG: _OCGLVQ_NG
OCDKGRLVQ_NG: _OCGLVQ_NG
OCDKGMLVQ_NG: _OCDKGMLVQ_NG
SVQOCC: _SVQOCC
SVQOCC_R: _SVQOCC
SVQOCC_M: _SVQOCC_M
SVQOCC_LM: _SVQOCC_M
SVQOCC_T: _SVQOCC_T
SVDD: _SVDD
OCKMeans: _SVDD
