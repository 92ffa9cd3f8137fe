"""Training: data → LightningModule → Lightning Trainer → History."""
