"""Every error that Twite raises on purpose.

    TwiteError                 500   exit 1
    ├── UsageError             400   exit 2   the command line or a setting is wrong
    ├── VerificationFailed     500   exit 3   numbers or bytes are not what was promised
    │   └── HashMismatch                      a file of a bundle is not the file that was verified
    ├── UnsupportedTarget      501   exit 4   the engine or the machine cannot run this model
    ├── BundleError                           a bundle that cannot be read
    ├── EngineError                           the interpreter refused a model or failed in it
    ├── ChildFailed                           a child process crashed, was killed or hung
    ├── NotReady               503            the model is still loading or the server is stopping
    │   └── QueueFull                         as many requests wait as may; come again later
    ├── DeadlineExceeded       504            the request's time was over before it was computed
    ├── AcceleratorError                      an accelerator failed; the CPU answers instead
    └── RequestError           400            the request is wrong; the message says how
        ├── ShapeMismatch                     right kind of value, wrong shape or dtype
        ├── Unauthorized       401
        ├── NotFound           404            no such path, model, version or signature
        ├── MethodNotAllowed   405
        ├── BodyTooLarge       413
        └── UnsupportedMedia   415

A message names the thing, what came, what was wanted and the next step. `status` is the HTTP
status, `exit_code` the exit status of the command (docs/http.md, docs/build.md).
"""


class TwiteError(Exception):
    status = 500
    exit_code = 1


class UsageError(TwiteError):
    status = 400
    exit_code = 2


class VerificationFailed(TwiteError):
    exit_code = 3


class HashMismatch(VerificationFailed):
    pass


class UnsupportedTarget(TwiteError):
    status = 501
    exit_code = 4


class BundleError(TwiteError):
    pass


class EngineError(TwiteError):
    pass


class ChildFailed(TwiteError):
    pass


class NotReady(TwiteError):
    status = 503


class QueueFull(NotReady):
    pass


class DeadlineExceeded(TwiteError):
    status = 504


class AcceleratorError(TwiteError):
    pass


class RequestError(TwiteError):
    status = 400


class ShapeMismatch(RequestError):
    pass


class Unauthorized(RequestError):
    status = 401


class NotFound(RequestError):
    status = 404


class MethodNotAllowed(RequestError):
    """allowed is the list for the header of the same name."""

    status = 405

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class BodyTooLarge(RequestError):
    status = 413


class UnsupportedMedia(RequestError):
    status = 415
