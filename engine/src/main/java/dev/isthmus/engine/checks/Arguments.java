package dev.isthmus.engine.checks;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Collection;
import java.util.List;

/** Refuses null where a caller must hand something over. */
public final class Arguments {

    private Arguments() {}

    /**
     * {@return the value}
     *
     * @param call what is being done, for the message
     * @param name the parameter's name
     * @throws InvalidInputException if the value is null
     */
    public static <T> T nonNull(T value, String call, String name) {
        if (value == null) {
            throw new InvalidInputException(call + ": " + name + " must not be null");
        }
        return value;
    }

    /**
     * {@return an unmodifiable copy of the values}
     *
     * @param call what is being done, for the message
     * @param name the parameter's name
     * @throws InvalidInputException if the collection or one of its values is null
     */
    public static <T> List<T> nonNullElements(Collection<? extends T> values, String call, String name) {
        nonNull(values, call, name);
        for (T value : values) {
            nonNull(value, call, "an element of " + name);
        }
        return List.copyOf(values);
    }
}
