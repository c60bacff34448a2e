package dev.isthmus.tools.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/** A failure of the network or the hub that may be over at the next attempt. */
final class TransientException extends IOException {

    private static final long serialVersionUID = 1L;

    private final transient Optional<Duration> pause;

    TransientException(String message, Throwable cause) {
        super(message, cause);
        this.pause = Optional.empty();
    }

    TransientException(String message, Optional<Duration> pause) {
        super(message);
        this.pause = pause;
    }

    /** How long the hub asks to wait before the next attempt. */
    Optional<Duration> pause() {
        return pause;
    }
}
