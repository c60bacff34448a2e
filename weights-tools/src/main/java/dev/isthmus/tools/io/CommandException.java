package dev.isthmus.tools.io;

/** A command cannot go on, for a reason outside the engine. The message is for the user. */
public final class CommandException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Makes one: what was being done, what was found, what the user can do. */
    public CommandException(String message) {
        super(message);
    }

    /** Makes one with what caused it. */
    public CommandException(String message, Throwable cause) {
        super(message, cause);
    }
}
