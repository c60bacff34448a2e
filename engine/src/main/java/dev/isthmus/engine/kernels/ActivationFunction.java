package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.Activation;

/** The activations in float64. */
public final class ActivationFunction {

    private static final double SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

    private ActivationFunction() {}

    /** {@code activation} of {@code x}. */
    public static double apply(Activation activation, double x) {
        return switch (activation) {
            case NONE -> x;
            case GELU_TANH -> 0.5 * x * (1 + Math.tanh(SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)));
            case GELU_ERF -> 0.5 * x * (1 + erf(x / Math.sqrt(2)));
            case RELU -> Math.max(x, 0);
        };
    }

    /**
     * The error function, to about 1e-15: below 3 by its series of positive terms (Abramowitz and Stegun 7.1.6),
     * above by the continued fraction of its complement (7.1.14), evaluated from the inside out.
     */
    static double erf(double x) {
        double a = Math.abs(x);
        if (Double.isNaN(x) || a > 6) {
            return Double.isNaN(x) ? x : Math.signum(x);
        }
        double gauss = Math.exp(-a * a) / Math.sqrt(Math.PI);
        if (a < 3) {
            double term = a;
            double sum = a;
            for (int n = 1; term > sum * 1e-17; n++) {
                term *= 2 * a * a / (2 * n + 1);
                sum += term;
            }
            return Math.copySign(2 * gauss * sum, x);
        }
        double fraction = a;
        for (int n = 60; n >= 1; n--) {
            fraction = a + n / 2.0 / fraction;
        }
        return Math.copySign(1 - gauss / fraction, x);
    }
}
