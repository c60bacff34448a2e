package dev.isthmus.engine.errors;

/** An argument of a call is out of range: a token id, an empty prompt, an option. */
public final class InvalidInputException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public InvalidInputException(String message) {
        super(message);
    }
}
