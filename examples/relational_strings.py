"""Strings, of which nothing is known but how many edits turn one into another: prototypes are
mixtures of strings."""

import numpy as np

import protozoo as pz


def edits(a: str, b: str) -> int:
    """The distance of Levenshtein: insertions, deletions and replacements."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (one != other))
    return row[-1]


def mutated(word: str, random: np.random.Generator, count: int) -> str:
    letters = list(word)
    for _ in range(count):
        k, letter = random.integers(len(letters)), random.choice(list("ACGT"))
        match random.integers(3):
            case 0:
                letters[k] = letter
            case 1:
                letters.insert(k, letter)
            case _:
                del letters[k]
    return "".join(letters)


# Three families of sequences: descendants of three ancestors, by seven mutations each.
random = np.random.default_rng(0)
ancestors = ["".join(random.choice(list("ACGT"), 16)) for _ in range(3)]
y = np.arange(120) % 3
words = np.array([mutated(ancestors[k], random, 7) for k in y])
d = np.array([[edits(a, b) for b in words] for a in words], float)
eigenvalues = np.linalg.eigvalsh(-(d - d.mean(0) - d.mean(1)[:, None] + d.mean()) / 2)
print(f"edit distances are no squared distances of vectors: eigenvalues from {eigenvalues[0]:.1f}")

# A sample is its row of dissimilarities to the 80 words of training, at home and abroad.
known, new = np.arange(80), np.arange(80, 120)
model = pz.fit("RGLVQ", d[np.ix_(known, known)], y[known], key=0).model
accuracy = np.mean(np.asarray(model.predict(d[np.ix_(new, known)])) == y[new])
print(f"RGLVQ: accuracy {accuracy:.3f} on new words")
assert accuracy > 0.8

for k, shares in enumerate(np.asarray(model.prototypes.points)):
    nearest = words[known][np.argsort(-shares)[:3]]
    print(f"  family {k} ({ancestors[k]}): mostly {', '.join(nearest)}")

few, columns = pz.models.sparse(model, keep=5)
accuracy = np.mean(np.asarray(few.predict(d[np.ix_(new, known[columns])])) == y[new])
print(f"of {len(columns)} words alone: accuracy {accuracy:.3f}")

found = pz.fit("RelationalKMeans", d, key=0, prototypes=3).model.predict(d)
agreement = pz.validity.matched(np.asarray(found), y).accuracy
print(f"RelationalKMeans, without labels: agreement {agreement:.3f}")
