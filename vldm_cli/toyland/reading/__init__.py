"""Read plain English and say it again as `captions` does, which is what a model of Toyland has been trained on.

`english` and `synonyms` are data, `lexicon` turns the tables of words round, `spelling` mends typing errors, `lexer`
makes a sentence items that mean something, and `phrases` finds noun phrases in them. `mentions`, `predicates`,
`relating` and `surroundings` are the parts of `clauses`, which makes these a `description`; `saying` makes that a
caption. What is not understood to the last word is not read at all.
"""
