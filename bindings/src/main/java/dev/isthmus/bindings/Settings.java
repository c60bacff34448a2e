package dev.isthmus.bindings;

import java.util.function.UnaryOperator;

/**
 * Where settings are read from: the JVM's system properties and the process's environment, or a test's own.
 *
 * @param properties value of a system property, or null
 * @param environment value of an environment variable, or null
 */
record Settings(UnaryOperator<String> properties, UnaryOperator<String> environment) {
    /** The running JVM's. */
    static Settings ofThisProcess() {
        return new Settings(System::getProperty, System::getenv);
    }

    /** The value of a system property; null where it is unset or blank. */
    String property(String name) {
        return orNull(properties.apply(name));
    }

    /** The value of an environment variable; null where it is unset or blank. */
    String variable(String name) {
        return orNull(environment.apply(name));
    }

    private static String orNull(String value) {
        return value == null || value.isBlank() ? null : value;
    }
}
