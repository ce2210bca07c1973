// A network as objects, one for each node and each link between two, walked one example at a time:
// how networks for showing in a page are often written. Dense, relu, softmax; no normalizer.

class Link {
  constructor(from, to) {
    Object.assign(this, { from, to, weight: (2 * Math.random() - 1) / 8, slope: 0 });
    from.leaving.push(this);
    to.arriving.push(this);
  }
}

class Node {
  arriving = [];
  leaving = [];
  bias = 0;
  biasSlope = 0;
  value = 0; // what it gives on
  slope = 0; // of the loss along its sum

  gather() {
    let sum = this.bias;
    for (const link of this.arriving) sum += link.weight * link.from.value;
    return sum;
  }

  blame() {
    let slope = 0;
    for (const link of this.leaving) slope += link.weight * link.to.slope;
    this.slope = this.value > 0 ? slope : 0;
  }

  note() {
    this.biasSlope += this.slope;
    for (const link of this.arriving) link.slope += this.slope * link.from.value;
  }

  update(rate) {
    this.bias -= rate * this.biasSlope;
    this.biasSlope = 0;
    for (const link of this.arriving) {
      link.weight -= rate * link.slope;
      link.slope = 0;
    }
  }
}

export class Net {
  constructor(sizes) {
    this.layers = sizes.map((size) => Array.from({ length: size }, () => new Node()));
    for (const [i, layer] of this.layers.slice(1).entries()) {
      for (const to of layer) for (const from of this.layers[i]) new Link(from, to);
    }
  }

  // Add one example's slopes to those of the minibatch; its loss.
  learn(x, label) {
    const [inputs, outputs] = [this.layers[0], this.layers.at(-1)];
    inputs.forEach((node, i) => (node.value = x[i]));
    for (const layer of this.layers.slice(1, -1)) for (const node of layer) node.value = Math.max(0, node.gather());
    const sums = outputs.map((node) => node.gather());
    const top = Math.max(...sums);
    const total = sums.reduce((sum, one) => sum + Math.exp(one - top), 0);
    outputs.forEach((node, i) => (node.slope = Math.exp(sums[i] - top) / total - Number(i === label)));
    for (const layer of this.layers.slice(1, -1).reverse()) for (const node of layer) node.blame();
    for (const layer of this.layers.slice(1)) for (const node of layer) node.note();
    return Math.log(total) + top - sums[label];
  }

  update(rate) {
    for (const layer of this.layers.slice(1)) for (const node of layer) node.update(rate);
  }
}
