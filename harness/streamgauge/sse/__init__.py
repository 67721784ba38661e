"""Server-sent events by the WHATWG rules: bytes in, dispatched events and comments out, no I/O.

Source: WHATWG HTML 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream"
(https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from streamgauge.sse.decoder import SSEDecoder
from streamgauge.sse.frames import DEFAULT_LIMIT, Comment, Frame, ServerSentEvent, Unfinished

__all__ = ["DEFAULT_LIMIT", "Comment", "Frame", "SSEDecoder", "ServerSentEvent", "Unfinished"]
