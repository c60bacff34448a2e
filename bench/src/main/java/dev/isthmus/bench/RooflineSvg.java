package dev.isthmus.bench;

import java.util.List;
import java.util.Locale;

/** Draws kernels under the roofs of a machine: operations for each byte across, operations per second up, both logarithmic. */
final class RooflineSvg {

    private static final int WIDTH = 960;
    private static final int HEIGHT = 620;
    private static final int LEFT = 80;
    private static final int RIGHT = 250;
    private static final int TOP = 50;
    private static final int BOTTOM = 60;

    private static final double LEAST_INTENSITY = 0.25;
    private static final double MOST_INTENSITY = 4096;
    private static final double LEAST_RATE = 1e9;

    private final StringBuilder svg = new StringBuilder();
    private final double mostRate;

    private RooflineSvg(double mostRate) {
        this.mostRate = mostRate;
    }

    static String of(Report.Roof roof, List<Report.Point> points, int threads) {
        return new RooflineSvg(Math.pow(10, Math.ceil(Math.log10(roof.integers())))).draw(roof, points, threads);
    }

    private String draw(Report.Roof roof, List<Report.Point> points, int threads) {
        add("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='12'>",
                WIDTH, HEIGHT);
        add("<rect width='%d' height='%d' fill='white'/>", WIDTH, HEIGHT);
        text(LEFT, 28, "start", "Kernels at GPT-2's shapes, " + threads + " threads");
        axes();
        roof(roof.bytes(), roof.floats(), "float32", "#1f77b4");
        roof(roof.bytes(), roof.integers(), "bytes", "#d62728");
        for (int i = 0; i < points.size(); i++) {
            point(i + 1, points.get(i));
        }
        return svg.append("</svg>\n").toString();
    }

    private void axes() {
        for (double intensity = LEAST_INTENSITY; intensity <= MOST_INTENSITY; intensity *= 4) {
            line(x(intensity), y(LEAST_RATE), x(intensity), y(mostRate), "#e0e0e0");
            text(x(intensity), HEIGHT - BOTTOM + 18, "middle", number(intensity));
        }
        for (double rate = LEAST_RATE; rate <= mostRate; rate *= 10) {
            line(x(LEAST_INTENSITY), y(rate), x(MOST_INTENSITY), y(rate), "#e0e0e0");
            text(LEFT - 8, y(rate) + 4, "end", number(rate / 1e9));
        }
        text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 18, "middle", "operations per byte");
        text(LEFT - 60, TOP - 8, "start", "10^9 operations/s");
    }

    private void roof(double bytes, double operations, String name, String colour) {
        double ridge = operations / bytes;
        double low = Math.max(LEAST_INTENSITY, LEAST_RATE / bytes);
        line(x(low), y(low * bytes), x(ridge), y(operations), colour);
        line(x(ridge), y(operations), x(MOST_INTENSITY), y(operations), colour);
        text(x(MOST_INTENSITY) - 4, y(operations) - 6, "end", name + ": " + number(operations / 1e9));
    }

    /** A numbered dot, and the number's meaning in the margin. */
    private void point(int number, Report.Point p) {
        String colour = p.work().arithmetic().isQuantized() ? "#d62728" : "#1f77b4";
        double x = x(Math.clamp(p.intensity(), LEAST_INTENSITY, MOST_INTENSITY));
        double y = y(Math.clamp(p.operationsPerSecond(), LEAST_RATE, mostRate));
        add("<circle cx='%.1f' cy='%.1f' r='4' fill='%s'><title>%s</title></circle>", x, y, colour, p.name());
        text(x + 6, y + 4, "start", Integer.toString(number));
        text(WIDTH - RIGHT + 16, TOP + 15.0 * number, "start", number + "  " + p.name());
    }

    private static double x(double intensity) {
        return LEFT + (WIDTH - LEFT - RIGHT) * Math.log(intensity / LEAST_INTENSITY)
                / Math.log(MOST_INTENSITY / LEAST_INTENSITY);
    }

    private double y(double rate) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.log(rate / LEAST_RATE)
                / Math.log(mostRate / LEAST_RATE);
    }

    private void line(double x1, double y1, double x2, double y2, String colour) {
        add("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s' stroke-width='1.5'/>", x1, y1, x2, y2, colour);
    }

    private void text(double x, double y, String anchor, String text) {
        add("<text x='%.1f' y='%.1f' text-anchor='%s'>%s</text>", x, y, anchor, text);
    }

    private static String number(double value) {
        return value < 1 ? Double.toString(value) : String.format(Locale.ROOT, "%.0f", value);
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
