//! From samples to figures: medians, spreads, ratios, and the parts of a run by differences.
//! Must never know which engine a sample is of, nor how a figure is shown.

/// Median and range of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The middle sample, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Figure {
    /// None of no samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Figure> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Figure {
            median: (low + high) / 2.0,
            min,
            max,
        })
    }

    /// Half of largest minus smallest, in percent of the median.
    pub(crate) fn spread(self) -> f64 {
        match self.median > 0.0 {
            true => (self.max - self.min) / 2.0 / self.median * 100.0,
            false => 0.0,
        }
    }

    /// This figure as a multiple of `base`; none if that is nothing.
    pub(crate) fn over(self, base: f64) -> Option<Figure> {
        (base > 0.0).then(|| Figure {
            median: self.median / base,
            min: self.min / base,
            max: self.max / base,
        })
    }
}

/// The parts of a run in milliseconds, by differences of medians. Where a difference is below zero, it is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parts {
    /// Compiling; none where the engine offers no way to tell it from execution.
    pub(crate) compile: Option<f64>,
    /// Starting the engine's process and instantiating.
    pub(crate) startup: f64,
    /// What is left.
    pub(crate) execution: f64,
}

/// The parts of a run of `total`, in an engine that takes `empty` for an empty module: `compile` is known or is none.
pub(crate) fn parts(total: f64, empty: f64, compile: Option<f64>) -> Parts {
    let startup = empty.min(total);
    Parts {
        compile,
        startup,
        execution: (total - startup - compile.unwrap_or(0.0)).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(Figure::of([]), None);
        let odd = Figure::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(odd.spread(), 50.0);
        assert_eq!(Figure::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn ratios_keep_the_range() {
        let figure = Figure::of([1.0, 2.0, 4.0]).unwrap();
        let ratio = figure.over(2.0).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (1.0, 0.5, 2.0));
        assert_eq!(figure.over(0.0), None);
    }

    #[test]
    fn parts_add_up_and_are_never_negative() {
        let p = parts(100.0, 10.0, Some(30.0));
        assert_eq!((p.startup, p.execution), (10.0, 60.0));
        let p = parts(5.0, 10.0, None);
        assert_eq!((p.startup, p.execution), (5.0, 0.0));
        assert_eq!(parts(30.0, 10.0, Some(25.0)).execution, 0.0);
    }
}
