"""The English that `plain` has beyond that of `words`: data only, under the same names."""

OPENINGS = (
    "there is",
    "there are",
    "show me",
    "i want to see",
    "make a video of",
    "please show",
    "here is",
    "a picture of",
    "give me",
    "imagine",
    "a movie of",
    "you can see",
    "a short video with",
)
# "there is" goes with one thing, "there are" with several.
ONE, SEVERAL = "there is", "there are"
COLOURS = {"red": ("ruby",), "green": ("lime",), "purple": ("lilac",), "white": ("pale",)}
SHAPES = {"ball": ("orb",), "ring": ("torus",), "cylinder": ("tube", "can"), "cube": ("brick",)}
PLURALS = {"box": "boxes", "torus": "toruses"}
MATERIALS = {
    "shiny": ("metallic", "chrome", "gleaming"),
    "striped": ("stripy",),
    "checkered": ("chequerboard", "checkerboard"),
    "matte": ("simple",),
}
PATTERNS = {
    "striped": ("with stripes", "that has stripes"),
    "checkered": ("with checks", "with a checkered pattern"),
}
SIZES = {"small": ("mini", "short"), "large": ("giant", "tall", "enormous")}
BESIDE = ("next to", "beside", "near", "close to", "by the side of", "alongside")
TOGETHER = ("with", "together with", "and also", "plus", "along with")
BEHIND = ("further away than", "at the back of")
FRONT = ("nearer than", "closer than")
GROUNDS = {
    "grass": ("grass", "a grassy field", "green grass", "grassy ground", "a lawn", "a meadow"),
    "sand": ("sand", "a sandy beach", "the beach", "desert sand", "sandy ground", "a dune"),
    "snow": ("snow", "snowy ground", "white snow", "a snowy field"),
    "water": ("water", "the sea", "the ocean", "a lake", "blue water"),
    "stone": ("stone", "rock", "a stone floor", "paving stones", "grey stone tiles"),
    "wooden floor": ("a wooden floor", "wood", "wooden planks", "floorboards", "a plank floor"),
    "checkered floor": ("a checkered floor", "a chessboard", "black and white tiles", "a checkerboard floor"),
}
SKIES = {
    "day": (
        "at noon",
        "on a bright day",
        "in the sun",
        "under a clear sky",
        "at midday",
        "in bright sunlight",
        "on a sunny afternoon",
        "in summer sunshine",
        "by daylight",
    ),
    "sunset": (
        "at twilight",
        "as the sun sets",
        "when the sun goes down",
        "in the sunset",
        "at dawn",
        "at sunrise",
    ),
    "night": (
        "at midnight",
        "in darkness",
        "under the moon",
        "in the night",
        "when it is dark",
        "under the stars",
    ),
    "overcast": ("under clouds", "on a grey day", "on a gloomy day", "under a cloudy sky", "in dull weather"),
}
# A sentence of their own: "it is dark".
LIGHTS = {
    "day": ("sunny", "a sunny day", "bright", "noon", "daytime", "day"),
    "sunset": ("sunset", "evening", "dusk", "twilight"),
    "night": ("night", "dark", "midnight", "night time"),
    "overcast": ("cloudy", "overcast", "a grey day", "gloomy"),
}
# Before a noun: "a sunny beach", and in a list of words: "red ball, grass, dark".
SCENES = {
    "day": ("sunny", "bright"),
    "sunset": ("evening",),
    "night": ("dark", "night", "moonlit"),
    "overcast": ("cloudy", "grey"),
}
# (third person, -ing form, plural)
MOTIONS = {
    "stands still": (
        ("sits there", "sitting there", "sit there"),
        ("stays still", "staying still", "stay still"),
    ),
    "bounces": (("keeps bouncing", "bouncing", "keep bouncing"), ("is bouncing", "bouncing", "are bouncing")),
    "rolls left": (
        ("is rolling left", "rolling left", "are rolling left"),
        ("tumbles left", "tumbling left", "tumble left"),
    ),
    "rolls right": (
        ("is rolling right", "rolling right", "are rolling right"),
        ("tumbles right", "tumbling right", "tumble right"),
    ),
    "slides left": (
        ("is sliding left", "sliding left", "are sliding left"),
        ("drifts left", "drifting left", "drift left"),
    ),
    "slides right": (
        ("is sliding right", "sliding right", "are sliding right"),
        ("drifts right", "drifting right", "drift right"),
    ),
    "spins": (
        ("is spinning", "spinning", "are spinning"),
        ("twirls", "twirling", "twirl"),
        ("is turning", "turning", "are turning"),
    ),
    "falls": (("is falling", "falling", "are falling"), ("comes down", "coming down", "come down")),
    "rises": (
        ("is rising", "rising", "are rising"),
        ("goes up", "going up", "go up"),
        ("flies up", "flying up", "fly up"),
    ),
    "jumps": (("is jumping", "jumping", "are jumping"), ("is hopping", "hopping", "are hopping")),
    "orbits": (
        ("is orbiting {b}", "orbiting {b}", "are orbiting {b}"),
        ("goes around {b}", "going around {b}", "go around {b}"),
    ),
    "grows": (("is growing", "growing", "are growing"), ("expands", "expanding", "expand")),
    "shrinks": (
        ("is shrinking", "shrinking", "are shrinking"),
        ("is getting smaller", "getting smaller", "are getting smaller"),
    ),
}
CAMERAS = {
    "still": ("the camera stays still", "no camera movement"),
    "orbiting": ("the camera goes around", "the view circles around"),
    "zooming in": ("zoom in", "the view gets closer", "the camera comes closer"),
    "zooming out": ("zoom out", "the view gets wider", "the camera backs away"),
    "panning left": ("pan left", "the camera looks to the left", "the view pans left"),
    "panning right": ("pan right", "the camera looks to the right", "the view pans right"),
    "rising": ("the view rises", "the camera lifts up", "the camera flies up"),
}
NUMBERS = {2: ("two", "a pair of", "a couple of", "2"), 3: ("three", "3")}
WORDS = """
both all each one other same coloured colored its on in of and is are ground below floor it what which them these
i my me you can the a an that to
"""
