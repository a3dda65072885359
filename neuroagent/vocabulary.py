"""Words that the demo data is made of.

To add, remove or move one changes what every seed gives.
"""

MODELS = ("gpt-5-nano", "gpt-5-mini", "gpt-5", "gpt-4.1", "claude-sonnet-4")
REASONING = (None, "NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH")
TOKEN_SCALES = (("INPUT_NONCACHED", 900), ("INPUT_CACHED", 2400), ("COMPLETION", 350))

REGIONS = (
    "somatosensory cortex", "visual cortex", "prefrontal cortex", "motor cortex",
    "hippocampus", "dentate gyrus", "entorhinal cortex", "thalamus", "hypothalamus",
    "striatum", "substantia nigra", "amygdala", "cerebellum", "olfactory bulb",
    "superior colliculus", "locus coeruleus", "raphe nuclei", "brainstem",
    "subthalamic nucleus", "nucleus accumbens", "insula", "claustrum", "retina",
    "spinal cord",
)  # fmt: skip
CELLS = (
    "pyramidal cells", "basket cells", "Martinotti cells", "chandelier cells",
    "granule cells", "Purkinje cells", "stellate cells", "bipolar interneurons",
    "neurogliaform cells", "astrocytes", "microglia", "oligodendrocytes",
    "mossy cells", "relay neurons", "medium spiny neurons", "ganglion cells",
    "dopaminergic neurons", "cholinergic interneurons", "place cells", "grid cells",
)  # fmt: skip
PROPERTIES = (
    "firing rate", "resting potential", "input resistance", "membrane time constant",
    "dendritic arborization", "spine density", "axonal length", "bouton density",
    "synaptic conductance", "short-term plasticity", "long-term potentiation",
    "spike-frequency adaptation", "rheobase", "sag ratio", "bursting", "burst duration",
    "connection probability", "release probability", "gap junction coupling",
    "soma depth", "myelination", "gene expression", "calcium transients", "theta power",
    "gamma oscillations", "sharp-wave ripples", "phase precession", "tuning width",
)  # fmt: skip
METHODS = (
    "patch-clamp recordings", "two-photon imaging", "electron microscopy",
    "optogenetic stimulation", "single-cell transcriptomics", "Neuropixels probes",
    "diffusion tractography", "viral tracing", "compartmental simulation",
    "expansion microscopy", "voltage imaging", "functional MRI", "immunostaining",
    "local field potentials", "morphological reconstruction", "spike sorting",
)  # fmt: skip
CHANNELS = (
    "NaV1.6", "KV7", "HCN1", "CaV3.2", "BK", "SK2", "AMPA", "NMDA", "GABA-A",
    "nicotinic", "muscarinic", "serotonergic", "dopamine D1", "dopamine D2",
)  # fmt: skip
SPECIES = ("mouse", "rat", "human", "macaque", "marmoset", "zebrafish", "ferret")
CONDITIONS = (
    "during sleep", "under anesthesia", "in juveniles", "after whisker deprivation",
    "in epilepsy", "in Parkinson's disease", "during locomotion", "in schizophrenia",
    "at physiological temperature", "in layer 5", "in layers 2 and 3", "in slices",
    "while an animal learns a maze", "after a stroke", "in aged tissue", "in vivo",
)  # fmt: skip

QUESTIONS = (
    "What is known about the {property} of {cell} in the {species} {region}?",
    "How does the {property} of {cell} change {condition}?",
    "Can you find {method} of {cell} from the {region}?",
    "Compare the {property} of {cell} between {species} and human {region}.",
    "Which {channel} channels shape the {property} in the {region}?",
    "Show me morphologies of {cell} in the {region}, and summarise their {property}.",
    "Run a simulation of {cell} with {channel} conductance doubled, please.",
    "Is there any evidence from {method} that {cell} differ {condition}?",
    "Plot the {property} against the {property2} for {cell} of the {region}.",
    "Why would blocking {channel} receptors reduce the {property} {condition}?",
    "Summarise three recent papers on {method} in the {region}.",
    "How many {cell} are there in the {species} {region}, and how certain is that?",
)
STATEMENTS = (
    "In the {species} {region}, {cell} show a {property} of about {number} {unit}.",
    "Evidence from {method} suggests that {cell} adapt {condition}.",
    "The {property} depends strongly on {channel} channels.",
    "By contrast, {cell} of the {region} have a lower {property}.",
    "This agrees with {method}, although the sample was small (n = {count}).",
    "No significant difference was found {condition} (p = 0.{count}).",
    "I found {count} matching datasets; most of them come from {species} {region}.",
    "Doubling the {channel} conductance raised the {property} by {number} %.",
    "The literature disagrees on whether {property} and {property2} are correlated.",
    "Note that {method} tend to underestimate the {property}.",
    "Each of the {count} reconstructions passed the quality checks.",
    "A likely mechanism is the {channel} current that follows the {property}.",
    "I would next compare {cell} with {cell2} {condition}.",
    "The values were taken at {number} degrees and corrected for junction potential.",
    "Projections from the {region} to the {region2} are mostly excitatory.",
    "Synapses onto {cell} depress, while those onto {cell2} facilitate.",
)
UNITS = ("Hz", "mV", "ms", "pA", "nS", "micrometres", "per cubic millimetre")
FOLLOW_UPS = (
    "Thanks.", "Interesting!", "Are you sure?", "Good, one more thing.", "",
    "That is not quite what I asked.", "Let us go deeper.", "And now in more detail:",
)  # fmt: skip
