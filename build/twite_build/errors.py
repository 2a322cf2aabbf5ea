"""Every error that the build step adds to Twite's.

    TwiteError                        exit 1
    ├── ConversionFailed              a converter or the quantizer refused the model
    └── UsageError                    exit 2
        ├── RecipeError               the recipe is wrong
        ├── SourceError               the trained model cannot be read
        └── DataError                 a data file is not what the recipe or the model needs

A model that does not agree with its source raises twite.errors.VerificationFailed (exit 3), one
that needs operators no runtime here has UnsupportedTarget (exit 4).
"""

from twite.errors import TwiteError, UsageError


class ConversionFailed(TwiteError):
    pass


class RecipeError(UsageError):
    pass


class SourceError(UsageError):
    pass


class DataError(UsageError):
    pass
