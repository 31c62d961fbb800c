"""Why a mapping is the best there is, what holds it back, and what more hardware would buy."""
