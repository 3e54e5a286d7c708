"""What people call Toyland's attributes beyond the words of `words` and `plain_words`: data only."""

GROUNDS = {
    "grass": (
        "lawn",
        "meadow",
        "grassland",
        "green meadow",
        "green lawn",
        "field of grass",
        "turf",
        "short grass",
    ),
    "sand": (
        "beach",
        "desert",
        "sandy beach",
        "yellow sand",
        "golden sand",
        "dune",
        "dunes",
        "sands",
        "sandy desert",
    ),
    "snow": ("snowfield", "fresh snow", "snowy field", "snowy meadow", "white snow"),
    "water": ("sea", "ocean", "lake", "pond", "blue sea", "blue lake", "open water"),
    "stone": (
        "stones",
        "pavement",
        "rocks",
        "cobblestones",
        "stone floor",
        "stone tiles",
        "stone slabs",
        "gray stone",
        "paving",
    ),
    "wooden floor": (
        "wooden boards",
        "boards",
        "planks",
        "parquet",
        "timber",
        "wooden floorboards",
        "wood planks",
    ),
    "checkered floor": (
        "chess board",
        "checkerboard",
        "chequerboard",
        "black and white squares",
        "checkered tiles",
    ),
}
# Adjectives of a floor, and what they are adjectives of.
MADE_OF = {
    "grassy": "grass", "grass": "grass", "sandy": "sand", "sand": "sand", "snowy": "snow", "stone": "stone",
    "stony": "stone", "rocky": "stone", "paved": "stone", "wooden": "wooden floor", "wood": "wooden floor",
    "checkered": "checkered floor", "chequered": "checkered floor", "checked": "checkered floor",
    "checkerboard": "checkered floor", "plank": "wooden floor",
}  # fmt: skip
FLOORS = ("floor", "ground", "surface")
SKIES = {
    "day": (
        "daylight", "sunlight", "sunshine", "a blue sky", "blue sky", "a clear sky", "clear sky", "noon", "midday",
        "the afternoon", "afternoon", "sunny weather", "daytime", "the sun", "bright sunshine", "bright daylight",
        "a bright sky", "bright sky", "the day", "broad daylight", "sun",
    ),
    "sunset": (
        "the evening sky", "an orange sky", "orange sky", "a red sky", "red sky", "the setting sun", "sunrise", "dawn",
        "nightfall", "evening light", "the evening sun", "evening sun", "late evening",
    ),
    "night": (
        "moonlight", "darkness", "the moon", "moon", "a dark sky", "dark sky", "night sky", "a night sky", "stars",
        "the stars", "a starry sky", "starry sky", "the night", "nighttime", "a moonlit night",
        "a dark night", "dark night",
    ),
    "overcast": (
        "clouds", "grey clouds", "gray clouds", "a cloudy sky", "cloudy sky", "grey sky", "gray sky", "an overcast sky",
        "overcast sky", "cloudy weather", "grey weather", "gray weather", "overcast weather", "dull weather",
        "a gray day", "gray day", "grey day", "cloudy day", "overcast day",
    ),
}  # fmt: skip
# Of "the sky": "the sky is dark".
SKY_IS = {
    "blue": "day", "clear": "day", "bright": "day", "sunny": "day", "orange": "sunset", "red": "sunset",
    "dark": "night", "black": "night", "grey": "overcast", "gray": "overcast", "cloudy": "overcast",
    "overcast": "overcast", "gloomy": "overcast", "full of stars": "night", "full of clouds": "overcast",
}  # fmt: skip
PATTERNS = {
    "striped": (
        "with a striped pattern",
        "with stripes on it",
        "which has stripes",
        "having stripes",
        "has stripes",
    ),
    "checkered": (
        "with checks on it",
        "which has checks",
        "that has checks",
        "with a checked pattern",
        "has checks",
    ),
}
MATERIALS = {"shiny": ("of metal", "reflective", "made of metal"), "striped": ("stripey",)}
SIZES = {"small": ("wee", "minute"), "large": ("gigantic", "massive", "enormous")}
RELATIONS = {
    "left of": ("on the left side of", "to the left side of", "at the left of", "left from", "left to"),
    "right of": ("on the right side of", "to the right side of", "at the right of", "right from", "right to"),
    "behind": ("at the back of", "at the rear of", "hidden behind", "in the back of"),
    "in front of": ("in the front of", "ahead of", "at the front of"),
    "beside": ("at the side of", "to the side of", "near to", "right next to", "right beside", "adjacent to"),
}
# With a possessive: "a cube, on its left a ring".
OF_IT = {
    "left of": (
        "on its left",
        "to its left",
        "on its left side",
        "at its left",
        "to the left of it",
        "left of it",
    ),
    "right of": ("on its right", "to its right", "on its right side", "at its right", "right of it"),
    "beside": ("at its side", "by its side", "on its side"),
}
SIDES = {
    "left": (
        "on the left",
        "to the left",
        "at the left",
        "left",
        "on the left side",
        "on the left hand side",
        "at left",
    ),
    "right": (
        "on the right",
        "to the right",
        "at the right",
        "right",
        "on the right side",
        "on the right hand side",
    ),
    "back": ("in the background", "in the back", "at the back", "in back", "further back"),
    "front": ("in the foreground", "in front", "in the front", "at the front", "up front"),
    "middle": ("in the middle", "in the centre", "in the center", "between them", "in between"),
}
DIRECTIONS = {
    "left": ("leftwards", "leftward", "towards the left", "toward the left", "from right to left"),
    "right": ("rightwards", "rightward", "towards the right", "toward the right", "from left to right"),
}
# (third person, -ing form, plural), as in `words`; those of MOVING go on with a side.
MOTIONS = {
    "stands still": (
        ("lies", "lying", "lie"), ("sits", "sitting", "sit"), ("is still", "still", "are still"),
        ("stands there", "standing there", "stand there"), ("stays put", "staying put", "stay put"),
        ("rests there", "motionless", "rest there"),
    ),
    "spins": (
        ("turns round", "turning round", "turn round"), ("turns", "turning", "turn"),
        ("spins round", "spinning round", "spin round"), ("whirls", "whirling", "whirl"),
    ),
    "falls": (
        ("drops", "dropping", "drop"), ("drops down", "dropping down", "drop down"),
        ("falls from above", "falling from above", "fall from above"),
        ("falls to the ground", "falling to the ground", "fall to the ground"),
    ),
    "rises": (("floats upwards", "floating upwards", "float upwards"), ("takes off", "taking off", "take off")),
    "jumps": (("jumps up", "jumping up", "jump up"),),
    "orbits": (
        ("orbits around {b}", "orbiting around {b}", "orbit around {b}"),
        ("goes round {b}", "going round {b}", "go round {b}"),
        ("circles round {b}", "circling round {b}", "circle {b}"),
        ("travels around {b}", "travelling around {b}", "travel around {b}"),
        ("revolves around {b}", "revolving around {b}", "revolve around {b}"),
    ),
    "grows": (
        ("gets bigger and bigger", "getting bigger and bigger", "get bigger and bigger"),
        ("gets larger and larger", "getting larger and larger", "get larger and larger"),
        ("becomes bigger", "becoming bigger", "become bigger"), ("becomes larger", "becoming larger", "become larger"),
        ("gets larger", "getting larger", "get larger"), ("grows bigger", "growing bigger", "grow bigger"),
    ),
    "shrinks": (
        ("grows smaller", "growing smaller", "grow smaller"),
        ("gets smaller and smaller", "getting smaller and smaller", "get smaller and smaller"),
    ),
}  # fmt: skip
MOVING = {
    "rolls": (("rolls", "rolling", "roll"), ("tumbles", "tumbling", "tumble")),
    "slides": (
        ("slides", "sliding", "slide"),
        ("glides", "gliding", "glide"),
        ("drifts", "drifting", "drift"),
    ),
}
# Put together with "the camera" and without it.
CAMERAS = {
    "still": ("is still", "stays still", "does not move", "is not moving", "is static", "stands still", "is fixed",
              "stays fixed", "stays where it is", "rests"),
    "orbiting": (
        "orbits", "orbiting", "orbit", "circles", "circling", "circles around", "circling around", "goes around",
        "goes round", "going around", "moves around", "moving around", "flies around", "flying around",
        "travels around",
        "orbits around", "moves round", "circles round", "rotates around",
    ),
    "zooming in": (
        "zooms in", "zooming in", "zoom in", "moves closer", "comes closer", "gets closer", "moves in", "goes closer",
        "moving closer", "comes nearer", "moves nearer",
    ),
    "zooming out": (
        "zooms out", "zooming out", "zoom out", "moves away", "backs away", "goes away", "pulls back", "moves back",
        "moving away", "pulls away", "gets wider",
    ),
    "panning left": (
        "pans {s}left", "panning {s}left", "pan {s}left",
        "turns {s}left", "looks {s}left", "swings {s}left",
    ),
    "panning right": (
        "pans {s}right", "panning {s}right", "pan {s}right", "turns {s}right", "looks {s}right", "swings {s}right",
    ),
    "rising": (
        "rises", "rising", "goes up", "moves up", "moving up", "lifts up", "flies up", "climbs", "going up",
        "moves upwards", "goes upwards",
    ),
}  # fmt: skip
# Of these, what is clear without "the camera".
ALONE = ("zoom", "pan")
CAMERA_NAMES = ("the camera", "camera", "the view", "a camera")
