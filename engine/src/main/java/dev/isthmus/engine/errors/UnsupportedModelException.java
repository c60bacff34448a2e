package dev.isthmus.engine.errors;

/** The configuration asks for something that this engine does not compute. */
public final class UnsupportedModelException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public UnsupportedModelException(String message) {
        super(message);
    }
}
