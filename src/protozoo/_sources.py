"""The table of sources: every paper and book that the library builds on, once.

The docstring of a part ends in a paragraph `Source: …` that quotes entries of this table, as
`str(source)` writes them in full or `source.short` in short. That is all a part has to say:
`sources_of` reads it there, so what a reader sees and what BibTeX is made from are one sentence.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Literal


#: Where a source appeared, as BibTeX calls it for each kind.
_PLACE = {
    "article": "journal",
    "inproceedings": "booktitle",
    "book": "publisher",
    "misc": "howpublished",
}


@dataclasses.dataclass(frozen=True)
class Source:
    """A paper or a book.

    - `kind`: what BibTeX calls it.
    - `authors`: initials and family names, with commas between authors.
    - `title`: in lower case, but for names.
    - `venue`: the journal, the conference or the publisher; empty if there is none.
    - `year`: of publication.
    - `volume`: of the journal or the series, if there is one.
    """

    kind: Literal["article", "inproceedings", "book", "misc"]
    authors: str
    title: str
    venue: str
    year: int
    volume: int | None = None

    def __str__(self) -> str:
        # A conference is called after its year: IJCNN 1990.
        if self.kind == "inproceedings" and self.volume is None:
            where = [f"{self.venue} {self.year}"]
        else:
            where = [f"{self.venue} {self.volume or ''}".strip(), str(self.year)]
        return ", ".join(filter(None, [self.authors, f"*{self.title}*", *where]))

    @property
    def short(self) -> str:
        """Family names and the year: Hammer & Villmann 2002."""
        *others, last = self._families
        if len(others) > 2:
            return f"{others[0]} et al. {self.year}"
        return f"{', '.join(others)} & {last} {self.year}" if others else f"{last} {self.year}"

    @property
    def key(self) -> str:
        """What BibTeX cites it by: hammer2002generalized."""
        first_word = re.findall(r"\w{2,}", self.title)[0]
        name = f"{self._families[0]}{self.year}{first_word}".lower()
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        return re.sub(r"\W", "", plain)

    def bibtex(self) -> str:
        """The entry of a BibTeX file."""
        fields = {
            "author": self.authors.replace(", ", " and "),
            # A second pair of braces keeps capitals: PCM, k-means++.
            "title": f"{{{self.title}}}",
            _PLACE[self.kind]: self.venue,
            "volume": self.volume,
            "year": self.year,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])

    @property
    def _families(self) -> list[str]:
        return [re.sub(r"^(\S+\. )+", "", author) for author in self.authors.split(", ")]


def bibtex(sources: tuple[Source, ...]) -> str:
    """A BibTeX file of these sources."""
    return "\n\n".join(source.bibtex() for source in sources)


def sources_of(thing: Any) -> tuple[Source, ...]:
    """The sources that a part and all parts within it name, each once.

    Docstrings are where they are named: with `python -OO`, which drops docstrings, there are none.
    """
    return tuple(dict.fromkeys(source for cls in _classes(thing) for source in quoted(cls.__doc__)))


def _classes(thing: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        yield type(thing)
        for field in dataclasses.fields(thing):
            yield from _classes(getattr(thing, field.name, None))
    elif isinstance(thing, tuple | list):
        for item in thing:
            yield from _classes(item)


def quoted(docstring: str | None) -> list[Source]:
    """The entries of the table that the source paragraph of a docstring quotes, in its order."""
    paragraph = source_paragraph(docstring)

    def place(source: Source) -> int:
        return max(paragraph.find(str(source)), paragraph.find(source.short))

    return sorted((source for source in SOURCES if place(source) >= 0), key=place)


def source_paragraph(docstring: str | None) -> str:
    """What follows `Source:` in a docstring, in one line; nothing if there is none."""
    return " ".join((docstring or "").partition("Source:")[2].split())


# Learning vector quantisation.

KOHONEN_1990 = Source(
    "inproceedings",
    "T. Kohonen",
    "Improved versions of learning vector quantization",
    "IJCNN",
    1990,
)
KOHONEN_1995 = Source("book", "T. Kohonen", "Self-organizing maps", "Springer", 1995)
SATO_1995 = Source(
    "inproceedings",
    "A. Sato, K. Yamada",
    "Generalized learning vector quantization",
    "NIPS",
    1995,
    8,
)
HAMMER_2002 = Source(
    "article",
    "B. Hammer, T. Villmann",
    "Generalized relevance learning vector quantization",
    "Neural Networks",
    2002,
    15,
)
SEO_2003 = Source(
    "article",
    "S. Seo, K. Obermayer",
    "Soft learning vector quantization",
    "Neural Computation",
    2003,
    15,
)
HAMMER_2005 = Source(
    "article",
    "B. Hammer, M. Strickert, T. Villmann",
    "Supervised neural gas with general similarity measure",
    "Neural Processing Letters",
    2005,
    21,
)
SCHNEIDER_2009 = Source(
    "article",
    "P. Schneider, M. Biehl, B. Hammer",
    "Adaptive relevance matrices in learning vector quantization",
    "Neural Computation",
    2009,
    21,
)
SCHNEIDER_2010_HYPERPARAMETERS = Source(
    "article",
    "P. Schneider, M. Biehl, B. Hammer",
    "Hyperparameter learning in probabilistic prototype-based models",
    "Neurocomputing",
    2010,
    73,
)
SCHNEIDER_2010_REGULARIZATION = Source(
    "article",
    "P. Schneider, K. Bunte, H. Stiekema, B. Hammer, T. Villmann, M. Biehl",
    "Regularization in matrix relevance learning",
    "IEEE Trans. Neural Networks",
    2010,
    21,
)
BUNTE_2012 = Source(
    "article",
    "K. Bunte, P. Schneider, B. Hammer, F.-M. Schleif, T. Villmann, M. Biehl",
    "Limited rank matrix learning, discriminative dimension reduction and visualization",
    "Neural Networks",
    2012,
    26,
)
STRICKERT_2013 = Source(
    "inproceedings",
    "M. Strickert, B. Hammer, T. Villmann, M. Biehl",
    "Regularization and improved interpretation of linear data mappings and adaptive distance "
    "measures",
    "IEEE CIDM",
    2013,
)
NEBEL_2015 = Source(
    "article",
    "D. Nebel, B. Hammer, K. Frohberg, T. Villmann",
    "Median variants of learning vector quantization for learning of dissimilarity data",
    "Neurocomputing",
    2015,
    169,
)
VILLMANN_2015 = Source(
    "article",
    "T. Villmann, S. Haase, M. Kaden",
    "Kernelized vector quantization in gradient-descent learning",
    "Neurocomputing",
    2015,
    147,
)
SARALAJEW_2016 = Source(
    "inproceedings",
    "S. Saralajew, T. Villmann",
    "Adaptive tangent distances in generalized learning vector quantization for transformation and "
    "distortion invariant classification learning",
    "IJCNN",
    2016,
)
VAN_VEEN_2016 = Source(
    "misc",
    "L. van Veen",
    "Analysis of missing data with matrix relevance learning vector quantization",
    "",
    2016,
)
VILLMANN_2017 = Source(
    "article",
    "T. Villmann, A. Bohnsack, M. Kaden",
    "Can learning vector quantization be an alternative to SVM and deep learning?",
    "Journal of Artificial Intelligence and Soft Computing Research",
    2017,
    7,
)
SARALAJEW_2019 = Source(
    "inproceedings",
    "S. Saralajew, L. Holdijk, M. Rees, E. Asan, T. Villmann",
    "Classification-by-components: probabilistic modeling of reasoning over a set of components",
    "NeurIPS",
    2019,
)
SARALAJEW_2025 = Source(
    "inproceedings",
    "S. Saralajew, A. Rana, T. Villmann, A. Shaker",
    "A robust prototype-based network with interpretable RBF classifier foundations",
    "AAAI",
    2025,
)
QIN_2004 = Source(
    "inproceedings",
    "A. K. Qin, P. N. Suganthan",
    "A novel kernel prototype-based learning algorithm",
    "ICPR",
    2004,
)
HAMMER_2014 = Source(
    "article",
    "B. Hammer, D. Hofmann, F.-M. Schleif, X. Zhu",
    "Learning vector quantization for (dis-)similarities",
    "Neurocomputing",
    2014,
    131,
)
SARALAJEW_2020 = Source(
    "inproceedings",
    "S. Saralajew, L. Holdijk, T. Villmann",
    "Fast adversarial robustness certification of nearest prototype classifiers for arbitrary "
    "seminorms",
    "NeurIPS",
    2020,
)
WACHTER_2018 = Source(
    "article",
    "S. Wachter, B. Mittelstadt, C. Russell",
    "Counterfactual explanations without opening the black box",
    "Harvard Journal of Law & Technology",
    2018,
    31,
)
ARTELT_2020 = Source(
    "inproceedings",
    "A. Artelt, B. Hammer",
    "Efficient computation of counterfactual explanations of LVQ models",
    "ESANN",
    2020,
)
VORACEK_2022 = Source(
    "inproceedings",
    "V. Voráček, M. Hein",
    "Provably adversarially robust nearest prototype classifiers",
    "ICML",
    2022,
)

# Clustering, neural gas, mixtures, neighbours.

COVER_1967 = Source(
    "article",
    "T. Cover, P. Hart",
    "Nearest neighbor pattern classification",
    "IEEE Trans. Information Theory",
    1967,
    13,
)
KRISHNAPURAM_1993 = Source(
    "article",
    "R. Krishnapuram, J. Keller",
    "A possibilistic approach to clustering",
    "IEEE Trans. Fuzzy Systems",
    1993,
    1,
)
KRISHNAPURAM_1996 = Source(
    "article",
    "R. Krishnapuram, J. Keller",
    "The possibilistic c-means algorithm: insights and recommendations",
    "IEEE Trans. Fuzzy Systems",
    1996,
    4,
)
PAL_1997 = Source(
    "inproceedings",
    "N. Pal, K. Pal, J. Bezdek",
    "A mixed c-means clustering model",
    "IEEE Conf. Fuzzy Systems",
    1997,
)
PAL_2005 = Source(
    "article",
    "N. Pal, K. Pal, J. Keller, J. Bezdek",
    "A possibilistic fuzzy c-means clustering algorithm",
    "IEEE Trans. Fuzzy Systems",
    2005,
    13,
)
ZHANG_2004 = Source(
    "article",
    "J. Zhang, Y. Leung",
    "Improved possibilistic c-means clustering algorithms",
    "IEEE Trans. Fuzzy Systems",
    2004,
    12,
)
ZHANG_2003 = Source(
    "article",
    "D. Zhang, S. Chen",
    "Clustering incomplete data using kernel-based fuzzy c-means algorithm",
    "Neural Processing Letters",
    2003,
    18,
)
MASULLI_2006 = Source(
    "article",
    "F. Masulli, S. Rovetta",
    "Soft transition from probabilistic to possibilistic fuzzy clustering",
    "IEEE Trans. Fuzzy Systems",
    2006,
    14,
)
GUSTAFSON_1979 = Source(
    "inproceedings",
    "D. Gustafson, W. Kessel",
    "Fuzzy clustering with a fuzzy covariance matrix",
    "IEEE Conf. Decision and Control",
    1979,
)
GATH_1989 = Source(
    "article",
    "I. Gath, A. Geva",
    "Unsupervised optimal fuzzy clustering",
    "IEEE Trans. Pattern Analysis and Machine Intelligence",
    1989,
    11,
)
SCHWARZ_1978 = Source(
    "article",
    "G. Schwarz",
    "Estimating the dimension of a model",
    "Annals of Statistics",
    1978,
    6,
)
XIE_1991 = Source(
    "article",
    "X. Xie, G. Beni",
    "A validity measure for fuzzy clustering",
    "IEEE Trans. Pattern Analysis and Machine Intelligence",
    1991,
    13,
)
KUHN_1955 = Source(
    "article",
    "H. Kuhn",
    "The Hungarian method for the assignment problem",
    "Naval Research Logistics Quarterly",
    1955,
    2,
)
DEMPSTER_1977 = Source(
    "article",
    "A. Dempster, N. Laird, D. Rubin",
    "Maximum likelihood from incomplete data via the EM algorithm",
    "Journal of the Royal Statistical Society B",
    1977,
    39,
)
CAPPE_2009 = Source(
    "article",
    "O. Cappé, E. Moulines",
    "On-line expectation-maximization algorithm for latent data models",
    "Journal of the Royal Statistical Society B",
    2009,
    71,
)
BEZDEK_1981 = Source(
    "book",
    "J. Bezdek",
    "Pattern recognition with fuzzy objective function algorithms",
    "Plenum Press",
    1981,
)
LLOYD_1982 = Source(
    "article",
    "S. Lloyd",
    "Least squares quantization in PCM",
    "IEEE Trans. Information Theory",
    1982,
    28,
)
KOHONEN_1982 = Source(
    "article",
    "T. Kohonen",
    "Self-organized formation of topologically correct feature maps",
    "Biological Cybernetics",
    1982,
    43,
)
MARTINETZ_1993 = Source(
    "article",
    "T. Martinetz, S. Berkovich, K. Schulten",
    '"Neural-gas" network for vector quantization and its application to time-series prediction',
    "IEEE Trans. Neural Networks",
    1993,
    4,
)
ULTSCH_1990 = Source(
    "inproceedings",
    "A. Ultsch, H. Siemon",
    "Kohonen's self organizing feature maps for exploratory data analysis",
    "INNC",
    1990,
)
BAUER_1992 = Source(
    "article",
    "H.-U. Bauer, K. Pawelzik",
    "Quantifying the neighborhood preservation of self-organizing feature maps",
    "IEEE Trans. Neural Networks",
    1992,
    3,
)
KIVILUOTO_1996 = Source(
    "inproceedings",
    "K. Kiviluoto",
    "Topology preservation in self-organizing maps",
    "ICNN",
    1996,
)
VENNA_2001 = Source(
    "inproceedings",
    "J. Venna, S. Kaski",
    "Neighborhood preservation in nonlinear projection methods: an experimental study",
    "ICANN",
    2001,
)
MARTINETZ_1994 = Source(
    "article",
    "T. Martinetz, K. Schulten",
    "Topology representing networks",
    "Neural Networks",
    1994,
    7,
)
FRITZKE_1995 = Source(
    "inproceedings", "B. Fritzke", "A growing neural gas network learns topologies", "NIPS", 1995, 7
)
HATHAWAY_1995 = Source(
    "article",
    "R. Hathaway, J. Bezdek",
    "Optimization of clustering criteria by reformulation",
    "IEEE Trans. Fuzzy Systems",
    1995,
    3,
)
AHA_1997 = Source("book", "D. Aha", "Lazy learning", "Kluwer", 1997)
HESKES_1999 = Source(
    "inproceedings", "T. Heskes", "Energy functions for self-organizing maps", "Kohonen Maps", 1999
)
KOHONEN_2002 = Source(
    "article",
    "T. Kohonen, P. Somervuo",
    "How to make large self-organizing maps for nonvectorial data",
    "Neural Networks",
    2002,
    15,
)
COTTRELL_2006 = Source(
    "article",
    "M. Cottrell, B. Hammer, A. Hasenfuß, T. Villmann",
    "Batch and median neural gas",
    "Neural Networks",
    2006,
    19,
)
ARTHUR_2007 = Source(
    "inproceedings",
    "D. Arthur, S. Vassilvitskii",
    "k-means++: the advantages of careful seeding",
    "SODA",
    2007,
)
HASTIE_2009 = Source(
    "book",
    "T. Hastie, R. Tibshirani, J. Friedman",
    "The elements of statistical learning",
    "Springer",
    2009,
)
HATHAWAY_1989 = Source(
    "article",
    "R. Hathaway, J. Davenport, J. Bezdek",
    "Relational duals of the c-means clustering algorithms",
    "Pattern Recognition",
    1989,
    22,
)
HAMMER_2010 = Source(
    "article",
    "B. Hammer, A. Hasenfuß",
    "Topographic mapping of large dissimilarity data sets",
    "Neural Computation",
    2010,
    22,
)

# Spaces and distances.

PENNEC_2006 = Source(
    "article",
    "X. Pennec, P. Fillard, N. Ayache",
    "A Riemannian framework for tensor computing",
    "International Journal of Computer Vision",
    2006,
    66,
)
VILLANI_2009 = Source("book", "C. Villani", "Optimal transport: old and new", "Springer", 2009)
BARACHANT_2012 = Source(
    "article",
    "A. Barachant, S. Bonnet, M. Congedo, C. Jutten",
    "Multiclass brain-computer interface classification by Riemannian geometry",
    "IEEE Trans. Biomedical Engineering",
    2012,
    59,
)
BARACHANT_2010 = Source(
    "inproceedings",
    "A. Barachant, S. Bonnet, M. Congedo, C. Jutten",
    "Riemannian geometry applied to BCI classification",
    "LVA/ICA",
    2010,
)
MOHAMMADI_2024 = Source(
    "misc",
    "M. Mohammadi, M. Babai, M. Wilkinson",
    "Generalized relevance learning Grassmann quantization",
    "arXiv",
    2024,
)
EDELMAN_1998 = Source(
    "article",
    "A. Edelman, T. Arias, S. Smith",
    "The geometry of algorithms with orthogonality constraints",
    "SIAM Journal on Matrix Analysis and Applications",
    1998,
    20,
)
ABSIL_2008 = Source(
    "book",
    "P.-A. Absil, R. Mahony, R. Sepulchre",
    "Optimization algorithms on matrix manifolds",
    "Princeton University Press",
    2008,
)
GANEA_2018 = Source(
    "inproceedings",
    "O. Ganea, G. Bécigneul, T. Hofmann",
    "Hyperbolic neural networks",
    "NeurIPS",
    2018,
)
LEZCANO_CASADO_2019 = Source(
    "inproceedings",
    "M. Lezcano-Casado",
    "Trivializations for gradient-based optimization on manifolds",
    "NeurIPS",
    2019,
)
MARTINS_2016 = Source(
    "inproceedings",
    "A. Martins, R. Astudillo",
    "From softmax to sparsemax: a sparse model of attention and multi-label classification",
    "ICML",
    2016,
)
DUCHI_2008 = Source(
    "inproceedings",
    "J. Duchi, S. Shalev-Shwartz, Y. Singer, T. Chandra",
    "Efficient projections onto the l1-ball for learning in high dimensions",
    "ICML",
    2008,
)

# Training.

POLYAK_1992 = Source(
    "article",
    "B. Polyak, A. Juditsky",
    "Acceleration of stochastic approximation by averaging",
    "SIAM J. Control and Optimization",
    1992,
    30,
)
KUMAR_2010 = Source(
    "inproceedings",
    "M. P. Kumar, B. Packer, D. Koller",
    "Self-paced learning for latent variable models",
    "NIPS",
    2010,
)
KULESZA_2012 = Source(
    "article",
    "A. Kulesza, B. Taskar",
    "Determinantal point processes for machine learning",
    "Foundations and Trends in Machine Learning",
    2012,
    5,
)
LOSHCHILOV_2017 = Source(
    "inproceedings",
    "I. Loshchilov, F. Hutter",
    "SGDR: stochastic gradient descent with warm restarts",
    "ICLR",
    2017,
)
ZHANG_2019 = Source(
    "inproceedings",
    "M. Zhang, J. Lucas, G. Hinton, J. Ba",
    "Lookahead optimizer: k steps forward, 1 step back",
    "NeurIPS",
    2019,
)

# Networks that learn locally.

ROSENBLATT_1958 = Source(
    "article",
    "F. Rosenblatt",
    "The perceptron: a probabilistic model for information storage and organization in the brain",
    "Psychological Review",
    1958,
    65,
)
WIDROW_1960 = Source(
    "inproceedings",
    "B. Widrow, M. Hoff",
    "Adaptive switching circuits",
    "IRE WESCON Convention Record",
    1960,
)
HOPFIELD_1982 = Source(
    "article",
    "J. Hopfield",
    "Neural networks and physical systems with emergent collective computational abilities",
    "Proc. National Academy of Sciences",
    1982,
    79,
)
HOPFIELD_1984 = Source(
    "article",
    "J. Hopfield",
    "Neurons with graded response have collective computational properties like those of two-state "
    "neurons",
    "Proc. National Academy of Sciences",
    1984,
    81,
)
MOVELLAN_1990 = Source(
    "inproceedings",
    "J. Movellan",
    "Contrastive Hebbian learning in the continuous Hopfield model",
    "Connectionist Models Summer School",
    1990,
)
YUILLE_2003 = Source(
    "article",
    "A. Yuille, A. Rangarajan",
    "The concave-convex procedure",
    "Neural Computation",
    2003,
    15,
)
BADALOTTI_2025 = Source(
    "article",
    "D. Badalotti, C. Baldassi, M. Mézard, M. Scardecchia, R. Zecchina",
    "Dynamical learning in deep asymmetric recurrent neural networks",
    "arXiv:2509.05041",
    2025,
)

# One class, and none of these.

KOENKER_1978 = Source(
    "article",
    "R. Koenker, G. Bassett",
    "Regression quantiles",
    "Econometrica",
    1978,
    46,
)
BISHOP_1994 = Source(
    "article",
    "C. Bishop",
    "Novelty detection and neural network validation",
    "IEE Proceedings - Vision, Image and Signal Processing",
    1994,
    141,
)
TAX_2004 = Source(
    "article",
    "D. Tax, R. Duin",
    "Support vector data description",
    "Machine Learning",
    2004,
    54,
)
SUNDARARAJAN_2017 = Source(
    "inproceedings",
    "M. Sundararajan, A. Taly, Q. Yan",
    "Axiomatic attribution for deep networks",
    "ICML",
    2017,
)
VOVK_2005 = Source(
    "book",
    "V. Vovk, A. Gammerman, G. Shafer",
    "Algorithmic learning in a random world",
    "Springer",
    2005,
)
VAN_DER_MAATEN_2008 = Source(
    "article",
    "L. van der Maaten, G. Hinton",
    "Visualizing data using t-SNE",
    "Journal of Machine Learning Research",
    2008,
    9,
)
SCHEIRER_2013 = Source(
    "article",
    "W. Scheirer, A. de Rezende Rocha, A. Sapkota, T. Boult",
    "Toward open set recognition",
    "IEEE Trans. Pattern Analysis and Machine Intelligence",
    2013,
    35,
)
RUFF_2018 = Source(
    "inproceedings",
    "L. Ruff, R. Vandermeulen, N. Görnitz, L. Deecke, S. Siddiqui, A. Binder, E. Müller, M. Kloft",
    "Deep one-class classification",
    "ICML",
    2018,
)
KESSY_2018 = Source(
    "article",
    "A. Kessy, A. Lewin, K. Strimmer",
    "Optimal whitening and decorrelation",
    "The American Statistician",
    2018,
    72,
)
NADEEM_2010 = Source(
    "inproceedings",
    "M. Nadeem, J.-D. Zucker, B. Hanczar",
    "Accuracy-rejection curves (ARCs) for comparing classification methods with a reject option",
    "MLSB",
    2010,
)
GUO_2017 = Source(
    "inproceedings",
    "C. Guo, G. Pleiss, Y. Sun, K. Weinberger",
    "On calibration of modern neural networks",
    "ICML",
    2017,
)
STAPS_2022 = Source(
    "inproceedings",
    "D. Staps, R. Schubert, M. Kaden, A. Lampe, W. Hermann, T. Villmann",
    "Prototype-based one-class-classification learning using local representations",
    "IJCNN",
    2022,
)
CHOW_1970 = Source(
    "article",
    "C. Chow",
    "On optimum recognition error and reject tradeoff",
    "IEEE Trans. Information Theory",
    1970,
    16,
)
FISCHER_2016 = Source(
    "article",
    "L. Fischer, B. Hammer, H. Wersing",
    "Optimal local rejection for classifiers",
    "Neurocomputing",
    2016,
    214,
)
GEIFMAN_2017 = Source(
    "inproceedings",
    "Y. Geifman, R. El-Yaniv",
    "Selective classification for deep neural networks",
    "NIPS",
    2017,
    30,
)
SADINLE_2019 = Source(
    "article",
    "M. Sadinle, J. Lei, L. Wasserman",
    "Least ambiguous set-valued classifiers with bounded error levels",
    "J. American Statistical Association",
    2019,
    114,
)
ANGELOPOULOS_2021 = Source(
    "misc",
    "A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei",
    "Learn then test: calibrating predictive algorithms to achieve risk control",
    "arXiv",
    2021,
)
BIFET_2007 = Source(
    "inproceedings",
    "A. Bifet, R. Gavaldà",
    "Learning from time-changing data with adaptive windowing",
    "SIAM International Conference on Data Mining",
    2007,
)
GAMA_2013 = Source(
    "article",
    "J. Gama, R. Sebastião, P. Rodrigues",
    "On evaluating stream learning algorithms",
    "Machine Learning",
    2013,
    90,
)
STREET_2001 = Source(
    "inproceedings",
    "W. Street, Y. Kim",
    "A streaming ensemble algorithm (SEA) for large-scale classification",
    "KDD",
    2001,
)
HULTEN_2001 = Source(
    "inproceedings",
    "G. Hulten, L. Spencer, P. Domingos",
    "Mining time-changing data streams",
    "KDD",
    2001,
)

SOURCES = tuple(entry for entry in list(globals().values()) if isinstance(entry, Source))
